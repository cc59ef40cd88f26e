"""Campaign: decides whom to write to, when and why, and writes."""
