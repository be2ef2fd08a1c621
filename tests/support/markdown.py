"""Markdown for testing a terminal: CommonMark's own examples, models' answers, and one answer with every element.

CommonMark's examples are not part of this repository (their license is CC BY-SA): they are read from the file in
HEADWATER_COMMONMARK, the `commonmark.json` in the source distribution of markdown-it-py.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

from tests.support.recordings import recordings, shared_folder

__all__ = ("NO_ANSWERS", "NO_EXAMPLES", "SAMPLE", "answers", "commonmark", "cut")

NO_EXAMPLES = "no CommonMark examples: set HEADWATER_COMMONMARK to markdown-it-py's commonmark.json"
NO_ANSWERS = f"no recordings under {shared_folder()}: set HEADWATER_SHARED"

SAMPLE = """\
# Streaming in Python

There are **three** ways to read a stream, and each has its place:

1. *Iterate* it with `async for`
2. Give a **callback**
3. Wait for the whole

## A small example

```python
async def main() -> None:
    agent = Agent(model="gpt-5.4")  # as it comes
    async for chunk in agent.run_stream("Explain tides"):
        print(chunk, end="", flush=True)
```

| way | latency | good for |
|---|---:|:---:|
| iterate | lowest | user **interfaces** |
| callback | lowest | logging, `metrics` |

> Note: a table is hard to stream, because its columns are known only at the end.
>
> - and a list in a quote

- First item with `inline code` and a [link](https://example.com)
- Second item, which is rather longer than the first one, so that it has to wrap on a narrow terminal
  - a nested item
    1. and one below

  with a paragraph of its own

---

Finally, ~~nothing~~ some ***words*** and 潮汐 and e\u0301 and 🌊.
"""


def commonmark() -> list[str]:
    """The examples of the CommonMark specification; none if the variable is not set."""
    named = os.environ.get("HEADWATER_COMMONMARK")
    return [example["markdown"] for example in json.loads(Path(named).read_bytes())] if named else []


def answers() -> list[str]:
    """Models' answers from the recordings; none without recordings."""
    apis = sorted(path.name for path in (shared_folder() / "recordings").glob("*") if path.is_dir())
    told = {recording.expected.get("text") or "" for api in apis for recording in recordings(api)}
    return sorted(text for text in told if text.strip())


def cut(text: str, seed: int, longest: int = 30) -> list[str]:
    """Splits the text into pieces of random lengths, the same ones for the same seed."""
    dice, pieces, at = Random(seed), [], 0
    while at < len(text):
        end = at + dice.randint(1, longest)
        pieces.append(text[at:end])
        at = end
    return pieces
