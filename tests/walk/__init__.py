"""Follows one order through the running code, from `POST /v1/batch` to SMTP."""
