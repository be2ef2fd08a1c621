"""Wires: what a run is in each of the protocols that people's programs speak, as pure maps from events to bytes."""
