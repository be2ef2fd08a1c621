"""A headwater server that someone else runs: its address, what it is asked over HTTP, and a run's log as it comes.

What is read there becomes a run in `runtime.attached`; nothing here knows a run.
"""
