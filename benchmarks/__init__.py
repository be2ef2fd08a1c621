"""What a token costs, measured: `python -m benchmarks` runs all of it, `python -m benchmarks.chunk` one part.

Nothing here is timed by a test. What counts are ratios, to a bare reader of the same bytes or to a bare HTTP client on
the same machine, in the same run, by turns.
"""
