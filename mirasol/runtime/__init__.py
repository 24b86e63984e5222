"""Where a run computes: CPU, CUDA or XLA, behind one small interface."""
