"""All SQL of campaign."""
