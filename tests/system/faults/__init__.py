"""What must hold however a stream goes wrong: over all recordings, over real sockets, and past every bound."""
