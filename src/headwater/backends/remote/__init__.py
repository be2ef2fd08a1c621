"""The client of a headwater server: its address, its HTTP requests, and the streamed log of a run.

`runtime.attached` makes a run of that log; this package must never know runs.
"""
