"""Commands of ingest beside those that every service has."""
