"""The words of each kind of conditions, a file each, as in `conditions.kinds`."""
