"""Leaving the loop cancels the run: the connection is closed at once, and the partial answer is kept."""

from headwater import Agent

agent = Agent(model="offline")
stream = agent.run_stream("Write a long poem about rivers")

for count, chunk in enumerate(stream, start=1):
    print(chunk.content, end="", flush=True)
    if count == 10:
        break

response = stream.result_sync()
print(f"\n---\npartial: {response.partial}, finish reason: {response.finish_reason}, {len(response)} characters")
