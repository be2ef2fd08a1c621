"""Draw the README's picture: run the real command in a pseudo-terminal and render what it showed.

    python scripts/picture.py            # writes docs/assets/streaming.svg

The command is the one that the README names, with a tool, on the offline model: no key, no network.
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
import tempfile
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "assets" / "streaming.svg"
COLUMNS, LINES = 84, 24
SHOWN = 'headwater run "When can we sail from Brest?" --tool tides:high_water'

TOOL = '''
import time

def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    time.sleep(0.42)
    return "06:12"
'''


def capture(folder: Path) -> str:
    """What the command writes to a terminal of its own."""
    (folder / "tides.py").write_text(TOOL, encoding="utf-8")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    env = {**kept, "TERM": "xterm-256color", "HEADWATER_MODEL": "offline", "PYTHONPATH": str(folder)}
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "headwater.cli", *shlex.split(SHOWN)[1:]]
    with subprocess.Popen(command, cwd=folder, env=env, stdout=theirs, stderr=subprocess.DEVNULL) as process:
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
    console.print(Text.from_ansi(still), soft_wrap=False)
    return console.export_svg(title="headwater", theme=MONOKAI, unique_id="headwater")


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        picture = draw(capture(Path(folder)))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    # The outer rows say nothing and the file is read by people too: no trailing spaces.
    TARGET.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n", encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
