"""Runs: what happens while an agent or a workflow is at work. `run` is what all share, `answer` an agent's, …

Bottom first: `log` (the numbering), `mux` (where streams merge), `run`, `calls` (the tools of a step), `answer`.
"""

from headwater.runtime.ahead import SLOW_READERS, SlowReader
from headwater.runtime.answer import AgentRun, Delegate, HandoffTool, Job, Output
from headwater.runtime.log import Log
from headwater.runtime.mux import Mux
from headwater.runtime.run import CancelledBy, Run, as_data

__all__ = (
    "SLOW_READERS",
    "AgentRun",
    "CancelledBy",
    "Delegate",
    "HandoffTool",
    "Job",
    "Log",
    "Mux",
    "Output",
    "Run",
    "SlowReader",
    "as_data",
)
