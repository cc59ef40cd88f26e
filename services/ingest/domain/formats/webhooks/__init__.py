"""Webhooks: a vendor's payload, once its signature holds, becomes messages of the tracking API."""
