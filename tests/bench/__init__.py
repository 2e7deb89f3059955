"""Benchmarks: each compares the project with a peer in the same run. ``python -m tests.bench --scale small|full``."""
