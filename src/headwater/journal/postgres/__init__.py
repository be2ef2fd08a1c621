"""Runs stored in PostgreSQL 13 or later: for any number of machines.

Needs psycopg 3: `pip install "headwater[postgres]"`. Nothing outside this package imports it.
"""
