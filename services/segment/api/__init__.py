"""The routes of segment, a file each use case."""
