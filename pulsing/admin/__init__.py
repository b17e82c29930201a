"""The admin plane of a node: REST, live stream, metrics and dashboard, on a listener of its own."""
