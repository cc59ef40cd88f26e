"""What ingest decides: what a request holds, what an event says, what can't be taken in and why. Pure."""
