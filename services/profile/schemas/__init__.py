"""Requests and responses of the profile API."""
