"""The routes of ingest: those that SDKs send to, and those for its operators."""
