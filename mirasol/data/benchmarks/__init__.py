"""Readers of public benchmarks: an official annotation file and a folder of media to rows."""
