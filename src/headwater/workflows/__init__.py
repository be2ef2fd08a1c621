"""Workflows: several agents in one stream. `sequential`, `concurrent` and `graph` are plans built on `base`."""

from headwater.events.results import Results
from headwater.workflows.concurrent import ConcurrentWorkflow
from headwater.workflows.graph import Edge, GraphWorkflow
from headwater.workflows.sequential import SequentialWorkflow

__all__ = ("ConcurrentWorkflow", "Edge", "GraphWorkflow", "Results", "SequentialWorkflow")
