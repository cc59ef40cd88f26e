"""The use cases of profile: `fold` folds events, `read` answers questions, `rebuild` mends. Nothing here commits."""
