"""All SQL of ingest."""
