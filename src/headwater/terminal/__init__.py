"""The terminal: readers of events that show a run to a person. They must never change the run."""
