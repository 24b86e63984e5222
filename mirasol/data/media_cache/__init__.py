"""Clips decoded once and kept as small files, for sets that are read again and again."""
