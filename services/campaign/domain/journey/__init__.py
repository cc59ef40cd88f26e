"""Journeys: a graph that customers walk, one run each: what lets them in, where they stand, and where they go next."""
