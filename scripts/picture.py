"""Draw the README's picture: run a real program in a pseudo-terminal and render what it showed.

    python scripts/picture.py            # writes docs/assets/streaming.svg

The program answers with the offline model: no key, no network.
"""

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "assets" / "streaming.svg"
COLUMNS, LINES = 84, 24
SHOWN = "python examples/tools.py"


def capture() -> str:
    """What the program writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    command = [sys.executable, *shlex.split(SHOWN)[1:]]
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # how Linux says that the other side is closed
            pass
    os.close(ours)
    if process.returncode:
        raise SystemExit(f"{SHOWN} ended with {process.returncode}")
    return output.decode().replace("\r\n", "\n")


def draw(output: str) -> str:
    """The screen as an SVG picture."""
    still = re.sub(r"[^\n]*\r\x1b\[K", "", output)  # lines that were rewritten in place
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), SHOWN))
    console.print(Text.from_ansi(still))
    picture = console.export_svg(title="headwater", theme=MONOKAI, unique_id="headwater")
    # A picture in a page must not fetch anything: the reader's own fonts will do.
    picture = re.sub(r"@font-face {.*?}", "", picture, flags=re.DOTALL)
    return picture.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")


def main() -> None:
    """Write the picture."""
    picture = draw(capture())
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    lines = [line.rstrip() for line in picture.splitlines()]
    TARGET.write_text("\n".join(line for line in lines if line) + "\n", encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
