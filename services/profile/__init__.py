"""Profile: one view of each customer, from every event that is about them."""
