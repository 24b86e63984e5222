"""Mirasol: declarative experiments for the Mirasol3B family of models.

Importing this package imports nothing else, so that `python -m mirasol --help` answers at once
and so that TensorFlow is never pulled into a process that did not ask for it.
"""
