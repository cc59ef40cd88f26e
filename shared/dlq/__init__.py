"""Dead letters by hand: look at them, apply them again, give them up."""
