"""The other servers, each written and tuned as its own documentation says."""
