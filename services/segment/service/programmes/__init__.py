"""Use cases of programmes: definitions, roll-outs of a new version, tiers given by hand, simulations."""
