"""What `tools/make_reference.py` writes, read from the sources: nothing of Mirasol is imported."""
