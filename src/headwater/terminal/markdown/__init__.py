"""Markdown on a terminal: text that grows, in blocks; a block, in rows. It knows no event and writes nothing."""
