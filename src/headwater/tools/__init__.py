"""Tools: functions that a model may call. `declaration` declares them, `execution` runs them, `context` connects them
to a run.

The modules are imported by name: agents without tools need none of them.
"""
