"""The kinds of conditions, a file each."""
