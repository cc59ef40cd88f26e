"""Requests and responses of the segment API, a file each use case."""
