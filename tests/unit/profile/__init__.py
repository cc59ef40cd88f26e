"""Profile: the fold is a set function, and identity partitions like a graph."""
