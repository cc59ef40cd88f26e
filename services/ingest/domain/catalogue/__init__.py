"""The events that mean something here, each with its names, its properties and its rules."""
