"""The page: its browser modules, the bundle of them, the routes that serve it, and runs saved as one file."""
