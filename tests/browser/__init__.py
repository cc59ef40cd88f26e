"""What browsers send, from pages of another origin, in a real browser to the real ingest service."""
