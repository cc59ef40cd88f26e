"""Contracts: the wire, the envelope, identities and orders."""
