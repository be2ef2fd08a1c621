"""The client of the Model Context Protocol: the tools of other programs, in an agent's `tools=`.

`declaration` is what users write, `connection` the one connection to a server on an event loop, `session` what is known
while it is open. The package `mcp` is imported when a first server is connected.
"""
