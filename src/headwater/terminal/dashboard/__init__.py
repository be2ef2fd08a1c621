"""The dashboard: a run of many agents in a panel, a section an agent.

What there is to show is state: `state` (the whole), `agent_state`, `blocks`, `token_count`. How it looks is `panel`
(the whole), `section` (an agent), `columns` (the figures), `drawing` (signs and styles). `dashboard` draws it, by the
clock.
"""
