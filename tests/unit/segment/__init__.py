"""Segment: standings as functions of orders and a moment."""
