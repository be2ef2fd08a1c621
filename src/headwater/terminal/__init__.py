"""The terminal: a reader of events that shows a person what happens. It changes nothing of the run it shows."""
