"""What the services share: contracts and mechanisms. Nothing here knows a service."""
