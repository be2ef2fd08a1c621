"""Streaming agents: one run is one ordered, truthful stream of events."""
