"""What the commands of `python -m mirasol` do; dispatch.py finds the one that is asked for."""
