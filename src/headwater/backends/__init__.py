"""Whoever answers a model request: the providers over HTTP, the built-in offline model, recordings played back.

Bottom first: `interrupt` and `timeouts` (waits that end), `rate_limits`, `credentials`, `proxies`, `transport` (the one
file that knows the HTTP client), `base` (the protocols), `http`, `replay/`, `offline/`, `retry` (one step's answer over
all its attempts), `lookup` (a name to a backend).
"""
