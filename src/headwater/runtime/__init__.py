"""Runs: what happens while an agent or a workflow is at work.

Bottom first: `context` (whose code is running), `thread`, `log` (the numbering), `backlog` and `merge` (where streams
meet), `run` (pull, append, end), `agent_loop` (the state machine, pure), `tool_calls`, `agent_run`.
"""
