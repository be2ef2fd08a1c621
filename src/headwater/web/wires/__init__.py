"""The parts of every wire: the map from events to bytes, many agents merged into one answer, calls of client tools."""
