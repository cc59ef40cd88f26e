"""Programmes of tiers: what a tier takes, how long it is kept, and where a customer stands. Pure."""
