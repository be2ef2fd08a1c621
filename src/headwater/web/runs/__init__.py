"""Runs that belong to a server: begun, kept, found again, answered and stopped; whatever wire they are read over."""
