"""One pure record a format: what it is, what it can do, what it costs."""
