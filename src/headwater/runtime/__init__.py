"""Runs: the execution of agents and workflows.

Bottom first: `context` (the current run), `ending` (why and how a run ends), `thread`, `log` (the numbering),
`backlog` and `merge` (merging streams), `place` (a run's place in its tree), `run` (pull, append, end), `children`
(child runs), `shown` (users' values in a log), `agent_loop` (the state machine, pure), `job` (the input of an agent's
run), `tool_calls`, `agent_run`. `guards/`: what every text must pass before it is in the log.
"""
