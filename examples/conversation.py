"""A conversation: each run continues from the one before it."""

from headwater import Agent, Thread

agent = Agent(model="offline", instructions="Be brief.")
thread = Thread()

for question in ("What moves the sea?", "And how often?"):
    print(f"> {question}")
    print(agent.run(question, thread=thread))
print(f"--- {len(thread)} messages")
