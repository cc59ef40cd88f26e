"""Feedback: takes customers' answers to surveys and acts on them."""
