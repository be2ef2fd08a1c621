"""Draws the agent loop's table as docs/loop.md.

    python scripts/draw_loop.py            # writes docs/loop.md

The source is `headwater.runtime.agent_loop.TRANSITIONS`; a test checks the page.
"""

from pathlib import Path

from headwater.runtime.agent_loop import TRANSITIONS, Command, Signal, State

PAGE = Path(__file__).resolve().parents[1] / "docs" / "loop.md"

HEAD = """\
# The loop

<!-- Drawn by scripts/draw_loop.py from src/headwater/runtime/agent_loop.py: change that, and run it again. -->

One table decides what an agent's run does next: for a state and a signal, the first row whose guard is true gives the
command and the next state. An arrow's label is: signal [guard] / command.
"""

EVERYWHERE = (Signal.FAILED, Signal.CANCELLED)
"""Signals that end the run in every state: described in a sentence, because the arrows would hide the rest."""


def drawing() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_diagram(), "", _everywhere(), "", *_table(), ""])


def _diagram() -> list[str]:
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.READY.value}"]
    for state, signal, guard, following, command in _rows():
        if signal not in EVERYWHERE:
            when = f" [{guard}]" if guard else ""
            lines.append(f"    {state.value} --> {following.value}: {signal.value}{when} / {_plain(command)}")
    return [*lines, f"    {State.ENDED.value} --> [*]", "```"]


def _everywhere() -> str:
    ways = " and ".join(f"on `{signal.value}` to `{State.ENDED.value}`" for signal in EVERYWHERE)
    return f"Every state but the last also leads {ways}."


def _table() -> list[str]:
    lines = ["| state | signal | guard | command | next state |", "|---|---|---|---|---|"]
    for state, signal, guard, following, command in _rows():
        when = f"`{guard}`" if guard else ""
        lines.append(f"| {state.value} | {signal.value} | {when} | {command.value} | {following.value} |")
    return lines


def _rows() -> list[tuple[State, Signal, str | None, State, Command]]:
    states, signals = list(State), list(Signal)
    keys = sorted(TRANSITIONS, key=lambda key: (states.index(key[0]), signals.index(key[1])))
    return [(*key, *row) for key in keys for row in TRANSITIONS[key]]


def _plain(command: Command) -> str:
    return command.value.replace(":", ",")  # a second colon ends a label in Mermaid


if __name__ == "__main__":
    PAGE.write_text(drawing(), encoding="utf-8")
