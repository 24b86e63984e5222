"""Sweeps: many runs of one question, planned, run and recorded so that a table can be trusted."""
