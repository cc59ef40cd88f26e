"""All SQL of profile: `identity` decides under locks, `fold` stores state, `read` answers, `rebuild` mends."""
