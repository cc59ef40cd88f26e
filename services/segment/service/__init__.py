"""The use cases of segment: `standings` follow orders, time and merges; `rebuild` refills them. Nothing commits."""
