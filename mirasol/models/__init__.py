"""The parts of Mirasol3B, in torch alone, single-device: runtimes compile and shard them."""
