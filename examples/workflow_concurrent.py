"""All agents at once on the same task: tokens as they arrive, results in the order of the agents."""

from headwater import Agent, ConcurrentWorkflow

agents = [
    Agent(name="optimist", model="offline", instructions="Say what could go well."),
    Agent(name="pessimist", model="offline", instructions="Say what could go wrong."),
]
heard: dict[str, int] = {}


def hear(agent: str, token: str, is_final: bool) -> None:
    heard[agent] = heard.get(agent, 0) + 1
    if is_final:
        print(f"{agent} is done after {heard[agent]} tokens")


results = ConcurrentWorkflow(agents, on_error="collect").run("Sail tomorrow?", streaming_callback=hear)
print(results)
print(f"{results['optimist'].usage.output_tokens} tokens for {results.names[0]}, {len(results.errors)} failed")
