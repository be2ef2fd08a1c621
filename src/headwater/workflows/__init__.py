"""Workflows: many agents, one stream. `sequential`, `concurrent` and `graph` are plans over what `base` offers."""

from headwater.events.results import Results
from headwater.workflows.concurrent import ConcurrentWorkflow
from headwater.workflows.graph import Edge, GraphWorkflow
from headwater.workflows.sequential import SequentialWorkflow

__all__ = ("ConcurrentWorkflow", "Edge", "GraphWorkflow", "Results", "SequentialWorkflow")
