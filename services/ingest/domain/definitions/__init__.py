"""What an operator defines for a source: its mapping, plan, words, and what its write keys may say."""
