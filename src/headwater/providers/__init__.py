"""One module an API: a request value to an HTTP value, response bytes to events. Pure: no I/O, no clock, no network."""
