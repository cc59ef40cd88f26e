"""The messages on the bus: typed, frozen, versioned. Pure: standard library and msgspec only."""
