"""What must hold of every run, whatever happens in it."""
