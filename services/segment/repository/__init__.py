"""All SQL of segment."""
