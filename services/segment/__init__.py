"""Segment: tiers and segments customers as they change."""
