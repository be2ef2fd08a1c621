"""Runs stored in one SQLite file: for one machine with any number of processes."""
