"""What a profile is: which one an event belongs to (`identity`), and what its events add up to (`fold`). Pure."""
