"""Agents behind HTTP: runs that anyone can begin, read, leave and come back to."""
