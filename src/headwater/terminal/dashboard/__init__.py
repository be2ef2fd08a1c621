"""The dashboard: a run of many agents in a panel, a section an agent.

What there is to show is state: `state` (the whole), `outline` (its tree), `agent_state`, `blocks`, `token_count`,
`pulse`. How it looks is `panel` (the whole), `title`, `section` (an agent), `prose` and `marks` (its words), `columns`
(the figures), `drawing` and `palette` (signs, styles, hues). `dashboard` draws it, by the clock.
"""
