"""The shortest streaming agent: each piece of the answer as it is generated."""

from headwater import Agent

agent = Agent(model="offline", instructions="Be brief.")

for chunk in agent.run_stream("Explain tides"):
    print(chunk.content, end="", flush=True)
print()
