"""What every wire is made of: the map from a run's events to bytes, one voice for many agents, a client's own calls."""
