"""The mechanisms that every service shares."""
