"""Runs: what happens while an agent or a workflow is at work.

Bottom first: `context` (whose code is running), `ending` (why and how a run ends), `thread`, `log` (the numbering),
`backlog` and `merge` (where streams meet), `place` (where a run stands), `run` (pull, append, end), `children` (runs
in a run), `shown` (what a log shows of a user's values), `agent_loop` (the state machine, pure), `job` (what an agent's
run needs to know), `tool_calls`, `agent_run`.
"""
