"""Checkpoints on tensorstore: complete or absent, restored in full or not at all."""
