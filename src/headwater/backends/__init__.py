"""Backends that answer model requests: providers over HTTP, the built-in offline model, replayed recordings.

Bottom first: `interrupt` and `timeouts` (limits on waiting), `rate_limits`, `credentials`, `proxies`, `transport` (the
only module that knows the HTTP client), `base` (the protocols), `http`, `replay/`, `offline/`, `retry` (one step's
answer over all its attempts), `lookup` (a name to a backend).
"""
