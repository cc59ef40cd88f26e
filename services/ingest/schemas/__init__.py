"""What the ingest API takes and gives."""
