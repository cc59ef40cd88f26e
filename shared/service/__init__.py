"""What makes a process of a service: its parts, its settings, its command line, and what it says of itself."""
