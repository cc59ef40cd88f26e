"""The use cases of ingest; nothing here commits."""
