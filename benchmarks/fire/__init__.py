"""The service under fire: one bounded script for each promise, `python -m benchmarks.fire.NAME`."""
