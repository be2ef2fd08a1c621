"""The tools of an MCP server. This one is in the same process; a command or a URL works in the same way."""

from mcp.server import MCPServer

from headwater import MCP, Agent
from headwater.testing import Call, ScriptedModel

tides = MCPServer("Tides", log_level="WARNING")


@tides.tool()
def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return f"06:12 at {port}"


model = ScriptedModel([[Call("tides_high_water", {"port": "Brest"})], "At 06:12."])
agent = Agent(model=model, tools=[MCP(tides, prefix="tides_")])

for chunk in agent.run_stream("When can we sail from Brest?"):
    print(chunk.content, end="", flush=True)
print()
