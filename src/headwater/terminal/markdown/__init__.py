"""Markdown on a terminal: splits streaming text into blocks, and blocks into rows. Knows no events, writes nothing."""
