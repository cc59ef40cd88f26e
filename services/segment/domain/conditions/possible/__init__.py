"""Whether a customer can be as several conditions say at once: a file each for claims, numbers, counts and values."""
