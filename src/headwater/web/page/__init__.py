"""The page: its modules for the browser, how they become one script, the routes that serve it, a run as one file."""
