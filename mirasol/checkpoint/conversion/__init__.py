"""Weights of others as our checkpoints, and ours as a file for others."""
