"""What the service tells its operators: logs, request ids, timings."""
