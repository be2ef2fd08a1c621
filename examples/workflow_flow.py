"""A flow written as text: `a -> b, c -> d` runs a, then b and c in parallel, then d with both answers."""

from itertools import pairwise

from headwater import Agent, GraphWorkflow


def flow(text: str, agents: dict[str, Agent]) -> GraphWorkflow:
    stages = [[name.strip() for name in stage.split(",")] for stage in text.split("->")]
    names = list(dict.fromkeys(name for stage in stages for name in stage))
    edges = [(one, other) for before, after in pairwise(stages) for one in before for other in after]
    return GraphWorkflow([agents[name] for name in names], edges=edges, start=stages[0])


team = {name: Agent(name=name, model="offline") for name in ("plan", "draft", "picture", "check")}
workflow = flow("plan -> draft, picture -> check", team)

result = workflow.run("A leaflet about rip currents")
print(result)
print("asked:", ", ".join(result.members))
