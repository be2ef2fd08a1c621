"""Guards: functions that every text must pass before it is in the log.

Bottom first: `guard` (what a program declares), `json_text` and `words` (what there is to check), `gate` (holds an
answer back, pure), `verdicts` (calls a guard), `results` (of tools), `input` (the task and later messages), `asking`
(between a model and the log).
"""
