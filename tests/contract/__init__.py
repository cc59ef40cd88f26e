"""Tests of what Rapport promises to those outside."""
