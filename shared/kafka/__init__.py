"""The one place that speaks to the broker."""
