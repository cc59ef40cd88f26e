"""The consumer runtime: exactly-once effect on PostgreSQL from an at-least-once log.

One partition's batch is one transaction: swap the offset, apply the events, write the outbox, commit. See
`docs/decisions/0003-consumer-runtime.md` for what happens at each failure.

A `Consumer` lives as long as its process and knows what it holds (`assignment`); it reads by one `Session` after the
other, each with a client of its own, which takes partitions (`acquire`), applies their batches, and is watched
(`watchdog`).
"""
