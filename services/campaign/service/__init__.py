"""The use cases of campaign. Nothing here commits."""
