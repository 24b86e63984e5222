"""Scores: metrics, the evaluator, tables and contact sheets."""
