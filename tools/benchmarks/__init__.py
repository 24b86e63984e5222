"""What `tools/bench.py` measures, a module a benchmark."""
