"""Exact durations, local days of time zones, anniversaries, the Chinese lunar calendar and public holidays."""
