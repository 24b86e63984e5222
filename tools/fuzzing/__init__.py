"""What `tools/fuzz_gin.py` does: slips, what becomes of them, and what is told of that."""
