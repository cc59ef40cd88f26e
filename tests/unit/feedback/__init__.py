"""Feedback: what answers mean."""
