"""HTTP/1.1 in front of the application: connections, their limits, and what is refused there."""
