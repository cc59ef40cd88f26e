"""Conditions: what a customer must be or have done, as data; one meaning, in Python for the stream and in SQL.

The next kind of condition is a file in `kinds` and a line in `registry`.
"""
