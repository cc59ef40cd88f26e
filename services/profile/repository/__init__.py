"""All SQL of profile: `identity` decides under locks, `fold` loads and stores state, `read` answers the API."""
