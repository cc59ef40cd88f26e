"""Conditions in words: `describe` writes them in English and Chinese, and `parse` reads them back.

Each kind has its sentences in `kinds`, as forms: templates with slots that serve both ways, so that what is written
and what is read can't drift apart.
"""
