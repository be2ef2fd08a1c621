"""The cost of many agents: a merged stream of 200, and the dashboard that shows 3 or 200 of them.

python -m benchmarks.workflow [--quick]
"""

from __future__ import annotations

from operator import sub, truediv

from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

AGENTS = 200
TOKENS = 1_000
"""Tokens per agent: the cost of 200 connections and requests is spread over a page of text each."""
ROUNDS = 5

SHOWN = (3, 200)
SHOWN_TOKENS = 200
"""Tokens per agent, at 50 a second: the dashboard runs for four seconds."""


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """The merged stream, then the dashboard."""
    return [_merged(lab, quick), _dashboard(lab, quick)]


def _merged(lab: Lab, quick: bool) -> Table:
    agents, tokens, rounds = (4, 20, 1) if quick else (AGENTS, TOKENS, ROUNDS)
    url = lab.url("blast", "openai-chat", tokens)
    wanted = (("bare", "floor, the same number of sockets"), ("headwater", "one merged stream"))
    costs: dict[str, list[float]] = {client: [] for client, _ in wanted}
    for turn in range(-1, rounds):
        for client, _ in wanted:
            answer = lab.order(client, "crowd", api="openai-chat", url=url, agents=agents)
            if answer["tokens"] != agents * tokens:
                raise RuntimeError(f"{client} read {answer['tokens']} tokens of {agents * tokens}.")
            if turn >= 0:
                costs[client].append(answer["cpu"] / answer["tokens"] * 1e6)
    rows = [
        (what, f"{median(costs[client]):.2f}", f"{median(map(truediv, costs[client], costs['bare'])):.2f}")
        for client, what in wanted
    ]
    title = f"A ConcurrentWorkflow of {agents} agents, as fast as they come"
    return Table("workflow", title, ("headwater and the floor", "µs a token", "÷ floor"), rows)


def _dashboard(lab: Lab, quick: bool) -> Table:
    tokens = 5 if quick else SHOWN_TOKENS
    url = lab.url("paced", "openai-chat", tokens)
    rows = []
    for agents in (3,) if quick else SHOWN:
        used: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(-1, 1 if quick else ROUNDS):  # in alternation; the first round warms up
            for dashboard in (False, True):
                answer = lab.order("headwater", "shown", api="openai-chat", url=url, agents=agents, dashboard=dashboard)
                if turn >= 0:
                    used[dashboard].append(answer["cpu"] / answer["seconds"] * 100)
        added = median(map(sub, used[True], used[False]))
        rows.append((str(agents), f"{median(used[False]):.1f} %", f"{median(used[True]):.1f} %", f"**{added:.1f} %**"))
    columns = (
        "agents, 50 tokens a second each",
        "of a core without",
        "with the dashboard of headwater",
        "the dashboard's",
    )
    return Table("dashboard", "The dashboard, on a terminal of 200 by 60", columns, rows)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("workflow")
