"""The parts of Mirasol3B, in torch alone: single-device code that the runtimes compile and shard."""
