"""Debate: two agents answer each other for several rounds, then a judge decides."""

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow

debate = ConcurrentWorkflow(
    [
        Agent(name="for", model="offline", instructions="Argue for it; answer what was said against it."),
        Agent(name="against", model="offline", instructions="Argue against it; answer what was said for it."),
    ],
    name="debate",
    max_loops=3,  # in each round they get both answers of the round before
)
judge = Agent(name="judge", model="offline", instructions="Say who argued better, and why.")

heard: list[str] = []
for event in SequentialWorkflow([debate, judge]).run_stream("Harbours should have free moorings.").events():
    if event.type == "step.finished":
        heard.append(event.agent)
        print(f"{event.agent} has spoken")
assert heard[-1] == "judge"
assert len(heard) == 2 * 3 + 1
