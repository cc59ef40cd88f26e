"""Tests of pure code: no I/O."""
