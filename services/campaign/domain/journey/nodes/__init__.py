"""The kinds of nodes: a file each, and a line in the registry."""
