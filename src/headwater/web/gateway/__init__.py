"""A gateway: bare models behind `/v1`, by names of one's own."""
