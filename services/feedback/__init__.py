"""Feedback: takes customers' responses to surveys and acts on them."""
