"""The pages for people who come from other libraries: each task in their library and in headwater, side by side.

Owns reading the pairs from a page, the server that both programs ask, and running both. What they print must be equal.

    python -m tests.system.docs.pairs FOLDER

runs the pairs whose other program is for Node. FOLDER is one in which npm has installed
tests/system/clients/package.json.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headwater.testing import Call, ProviderSimulator, Received
from headwater.web.gateway.model import ServedModel
from headwater.web.gateway.routing import gateway_router
from headwater.web.gateway.target import Target
from tests.support.paths import ROOT
from tests.support.served_apart import served_apart
from tests.system.docs.programs import run_program

__all__ = ("PAGES", "Pair", "main", "pairs", "serving")

PAGES: Final = ("from-ai-sdk.md", "from-langchain.md", "from-openai-agents.md", "from-pydantic-ai.md")
MODELS: Final = ("gpt-5.4", "gpt-5.4-mini")

_PAIR: Final = re.compile(
    r'^## (?P<task>.+?)$(?:(?!^## ).)*?^```(?P<language>python|js) title="(?P<theirs>[^"]+)"\n(?P<other>.*?)^```\n\n'
    r'```python title="headwater"\n(?P<ours>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_SECONDS: Final = 60


@dataclass(frozen=True)
class Pair:
    """A task, and the two programs that do it."""

    page: str
    task: str
    language: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.page.removesuffix('.md')}: {self.task}"


def pairs(page: str) -> list[Pair]:
    """The pairs of a page of docs/."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return [Pair(page, one["task"], one["language"], one["other"], one["ours"]) for one in _PAIR.finditer(text)]


def answer(asked: Received) -> Any:
    """What the model says: it calls the tools it is offered once, fits a schema, and counts and quotes otherwise.

    So what it says depends on the conversation, on the context of tools, and on what other agents said.
    """
    messages = asked.json["messages"]
    last = max(at for at, message in enumerate(messages) if message["role"] == "user")
    results = [message for message in messages[last:] if message["role"] == "tool"]
    tools = [tool["function"] for tool in asked.json.get("tools", ())]
    if tools and not results:
        return [Call(tool["name"], sample(tool["parameters"]), id=f"call_{at}") for at, tool in enumerate(tools)]
    if wanted := asked.json.get("response_format", {}).get("json_schema"):
        return json.dumps(sample(wanted["schema"]))
    if results:
        return f"I was told: {text_of(results[-1])}"
    questions = sum(message["role"] == "user" for message in messages)
    return f"Answer {questions}: the Moon pulls the sea."


def text_of(message: dict[str, Any]) -> str:
    """The text of a message."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def sample(schema: dict[str, Any]) -> Any:
    """A value that a schema allows."""
    if "properties" in schema:
        return {name: sample(inner) for name, inner in schema["properties"].items()}
    return {"integer": 6, "number": 1.5, "boolean": True, "array": []}.get(str(schema.get("type")), "Brest")


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server that has OpenAI's models in OpenAI's formats, streamed and not."""
    with ProviderSimulator(answer) as provider:
        backend = provider.model().backend
        with served_apart(lambda: gateway_router(*(ServedModel(name, [Target(backend)]) for name in MODELS))) as server:
            yield f"{server.url}/v1"
        assert provider.problems == []


def said(source: str, *, base_url: str, folder: Path, leaves_open: bool = False) -> str:
    """What a program in Python prints, without the spaces around it."""
    return run_program(source, base_url=base_url, folder=folder, leaves_open=leaves_open).strip()


def said_by_node(source: str, *, base_url: str, folder: Path) -> str:
    """What a program for Node prints."""
    path = folder / "program.mjs"
    path.write_text(source, encoding="utf-8")
    env = {**os.environ, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": base_url}
    done = subprocess.run(["node", path], capture_output=True, text=True, timeout=_SECONDS, check=False, env=env)
    assert done.returncode == 0, f"{source}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def main() -> int:
    """Run the pairs for Node."""
    node = Path(sys.argv[1])
    found = [pair for page in PAGES for pair in pairs(page) if pair.language == "js"]
    assert found, "no page has a pair for Node"
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        for pair in found:
            theirs = said_by_node(pair.theirs, base_url=url, folder=node)
            ours = said(pair.ours, base_url=url, folder=Path(folder))
            assert theirs == ours, f"{pair}\n--- theirs\n{theirs}\n--- ours\n{ours}"
            print("the same in both:", pair, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
