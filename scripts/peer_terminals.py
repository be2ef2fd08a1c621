"""Draws what other programs show of the answer in `terminal_pictures`, for its contact sheet.

    python scripts/peer_terminals.py FOLDER    # writes FOLDER/peer-clai-answer-80x24.png, and so on
    python scripts/terminal_pictures.py --png SHOTS --beside FOLDER

Each program has the environment of its name in benchmarks/peers and runs in tmux on a terminal of every size. Its model
is a local server that streams the answer; what tmux shows at the end is drawn as our own screens are. Needs tmux and
chromium.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.environments import ready  # noqa: E402
from drawn_terminal import CELL, LEFT, ROW, draw, photograph, still  # noqa: E402
from terminal_pictures import ANSWER, SHEET  # noqa: E402

from headwater.testing import ProviderSimulator, Wait  # noqa: E402

TASK = "How do I read a stream?"

TOKENS_PER_SECOND = 200

PATIENCE = 120
"""Seconds for which a program may run before its terminal is drawn as it is."""


@dataclass(frozen=True)
class Peer:
    """A program: its environment, and the arguments of that environment's Python."""

    name: str
    arguments: Sequence[str]


AGNO = f"""
from agno.agent import Agent
from agno.models.openai import OpenAIChat
Agent(model=OpenAIChat(id="gpt-5.4"), markdown=True, telemetry=False).print_response({TASK!r}, stream=True)
"""

PEERS = (
    Peer("clai", ["-m", "clai", "--model", "openai-chat:gpt-5.4", TASK]),
    Peer("agno", ["-c", AGNO]),
)


def shown(command: Sequence[str], columns: int, lines: int, *, url: str, folder: Path) -> list[str]:
    """The rows of a terminal of this size once the command has ended, with their escape codes."""
    tmux = ["tmux", "-S", str(folder / "tmux"), "-f", os.devnull]
    ended = shlex.join([*tmux, "wait-for", "-S", "ended"])
    (folder / "show.sh").write_text(f"clear\n{shlex.join(command)}\n{ended}\nexec sleep 60\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_TOKEN"))}
    for name in ("NO_COLOR", "TMUX"):
        kept.pop(name, None)
    local = {"HOME": str(folder), "COLORTERM": "truecolor", "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-local"}
    size = ["-x", str(columns), "-y", str(lines)]
    options = [
        "start-server",
        ";",
        "set",
        "-g",
        "status",
        "off",
        ";",
        "set",
        "-g",
        "default-terminal",
        "screen-256color",
    ]
    try:
        subprocess.run(
            [*tmux, *options, ";", "new-session", "-d", *size, f"sh {folder}/show.sh"],
            env={**kept, **local, "LANG": "C.UTF-8"},
            cwd=folder,
            check=True,
        )
        try:
            subprocess.run([*tmux, "wait-for", "ended"], timeout=PATIENCE, check=True)
        except subprocess.TimeoutExpired:
            print(f"still running after {PATIENCE} s: {command[0]}", file=sys.stderr)
        pane = subprocess.run([*tmux, "capture-pane", "-e", "-N", "-p"], check=True, capture_output=True)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
    return pane.stdout.decode("utf-8").removesuffix("\n").split("\n")


def main() -> None:
    """Draws every peer at every size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the pictures are written")
    asked = parser.parse_args()
    folder: Path = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with ProviderSimulator(lambda _: [Wait(0.4), ANSWER], rate=TOKENS_PER_SECOND) as provider:
        for peer in PEERS:
            python = ready(peer.name)
            if python is None:
                sys.exit(f"{peer.name} cannot be installed.")
            command = [python, *peer.arguments]
            for columns, lines in SHEET:
                with tempfile.TemporaryDirectory() as home:
                    rows = shown(command, columns, lines, url=provider.url(), folder=Path(home))
                name = f"peer-{peer.name}-answer-{columns}x{lines}"
                picture = folder / f"{name}.svg"
                film = still(rows, columns, lines)
                picture.write_text(draw(film, title=f"{peer.name}", name=peer.name), encoding="utf-8")
                width, height = round(columns * CELL + 2 * LEFT), lines * ROW + 80
                photograph(picture, folder / f"{name}.png", dark=True, width=width, height=height)
                print(f"{name}.png", file=sys.stderr)
        for problem in provider.problems:
            print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()
