"""Requests and responses of the campaign API."""
