"""Benchmarks: figures with their limits measured beside them in one run. No test asserts one of them."""
