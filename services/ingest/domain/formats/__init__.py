"""The formats in which events come, each with the way it becomes a message or a typed event."""
