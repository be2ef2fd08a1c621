"""An agent hands the conversation over to another, which answers from then on."""

from headwater import Agent
from headwater.events import Handoff

billing = Agent(name="billing", model="offline", instructions="Mend what is wrong with a bill.")
front = Agent(name="front desk", model="offline", instructions="Hand over what is not yours.", handoffs=[billing])

stream = front.run_stream("I was charged twice.")
for event in stream.events():
    if isinstance(event, Handoff):
        print(f"-> {event.to}: {event.note}")

print(stream.response.transcript)
assert [message.role for message in stream.response.messages] == ["user", "assistant", "tool", "assistant"]
