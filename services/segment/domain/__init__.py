"""Where customers stand, and why: pure functions."""
