"""Templates: what a message says, in every language, and how it is filled in."""
