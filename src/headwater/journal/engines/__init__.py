"""Engines deliver run ids to live workers: in this process, or over a queue on many machines.

An engine carries no step, tool or token. Order, exclusivity and recovery are the log's, so an engine may deliver a run
twice, late, or to two workers at once.
"""
