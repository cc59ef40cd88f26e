"""The routes of profile, a file each use case."""
