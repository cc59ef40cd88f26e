"""The events that mean something here: a file each, with its names, its properties, its rules and its route."""
