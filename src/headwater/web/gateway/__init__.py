"""A gateway: bare models behind `/v1`, under names from its own file."""
