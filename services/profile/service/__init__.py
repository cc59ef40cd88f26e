"""The use cases of profile: `take_in` folds events, `read` answers questions, `rebuild` mends. Nothing here commits."""
