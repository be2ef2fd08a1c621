"""Runs that belong to a server: start, keep, find, answer and stop them, independent of the wire."""
