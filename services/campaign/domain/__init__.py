"""What campaign decides: who enters a journey, what may leave now, what an answer of the provider means. Pure."""
