"""Leaving the loop is cancelling: the provider is told at once, and what was said is kept."""

from headwater import Agent

agent = Agent(model="offline")
stream = agent.run_stream("Write a long poem about rivers")

for count, chunk in enumerate(stream, start=1):
    print(chunk.content, end="", flush=True)
    if count == 10:
        break

response = stream.result_sync()
print(f"\n---\npartial: {response.partial}, finish reason: {response.finish_reason}, {len(response)} characters")
