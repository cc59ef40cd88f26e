"""Tests on real PostgreSQL and a real broker."""
