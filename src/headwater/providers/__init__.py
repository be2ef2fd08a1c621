"""One module per API: encodes requests, decodes response bytes to events. Pure: no I/O, no clock, no network."""
