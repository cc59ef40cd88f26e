"""What holds for a request as a whole: its body, its sender, its rate."""
