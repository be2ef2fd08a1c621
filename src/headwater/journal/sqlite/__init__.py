"""Runs stored in one SQLite file: for one machine, and any number of processes on it."""
