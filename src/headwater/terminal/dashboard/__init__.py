"""The dashboard: a run of many agents in a panel, one section per agent.

The model is `state` (the whole), `outline` (its tree), `agent_state`, `blocks`, `token_count`,
`pulse`. The view is `panel` (the whole), `title`, `section` (an agent), `prose` and `marks` (its text), `columns`
(the figures), `drawing` and `palette` (symbols, styles, hues). `dashboard` draws it, limited by time.
"""
