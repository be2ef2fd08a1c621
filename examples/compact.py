"""A long conversation that is shortened with summaries, and the tokens it sends."""

from headwater import Agent, Compaction, Thread
from headwater.events import MessageAdded

for compact in (None, Compaction(at=1_500)):
    agent = Agent(model="offline", instructions="Explain briefly.", compact=compact)
    thread = Thread()
    sent = summaries = 0
    for number in range(1, 41):
        stream = agent.run_stream(f"Question {number}: what moves the sea?", thread=thread)
        for event in stream.events():
            summaries += isinstance(event, MessageAdded) and event.cause == "compact"
        sent += stream.result_sync().usage.input_tokens or 0
    print(f"{sent:,} tokens sent for {len(thread)} messages, {summaries} summaries")
