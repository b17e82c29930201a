"""The stores that come with Pulsing, one a module."""
