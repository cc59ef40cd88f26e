"""What the ingest API accepts and returns."""
