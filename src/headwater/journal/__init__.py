"""Where runs are stored so that they outlive their process: one log a tree of runs, and one process that drives it.

Owns the protocol that every store keeps (`run_log`), the stores (`memory`, `sqlite`, `postgres`), and how one is opened
by its URL (`opening`). It must never decide what a run does next, and it reads an event only where it packs a log.
"""
