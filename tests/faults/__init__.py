"""Faults under load, and a checker that says what they broke. docs/reliability.md explains both."""
