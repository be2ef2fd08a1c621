"""Readers of a run: iteration, chunks, text, a selection, callbacks, log lines. They change nothing in it.

`kept_loop` is the event loop that sync code reads with.
"""
