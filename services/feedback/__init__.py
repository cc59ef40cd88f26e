"""Feedback: hears what customers say and acts on it."""
