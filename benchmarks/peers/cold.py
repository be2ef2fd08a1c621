"""The first request of a process: prints the time (`time.monotonic`) at which its first token was there, and ends.

python -m benchmarks.peers.cold CLIENT URL
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from benchmarks.clients import reader


def told(text: str) -> None:
    """The first token is there: nothing else counts."""
    sys.stdout.write(f"\n{time.monotonic()}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    client, url = sys.argv[1:]
    asyncio.run(reader(client, "chunks", "openai-chat", url)(told))  # type: ignore[arg-type]
