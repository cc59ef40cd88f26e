"""Refilling projections from the record: beside the running service or in its place, as often as one likes."""
