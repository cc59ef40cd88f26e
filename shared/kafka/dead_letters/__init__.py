"""Records that could not be taken in: found one by one, kept with their reason, and decided on by hand."""
