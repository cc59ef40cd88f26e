"""SQL on programmes of tiers: their versions, what customers have in them, and tiers given by hand."""
