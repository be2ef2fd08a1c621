"""Benchmarks: `python -m benchmarks` runs all parts, `python -m benchmarks.chunk` one.

No test measures time. The results are ratios to a bare reader of the same bytes or a bare HTTP client on the same
machine, in the same run, in alternation.
"""
