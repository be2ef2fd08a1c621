"""Advice for programmers as advice for the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from headwater.cli.wording import for_the_command_line
from headwater.errors import HeadwaterError
from headwater.providers.registry import resolve
from tests.support.paths import ROOT

SOURCE = ROOT / "src" / "headwater"
MET = (
    "backends",
    "providers",
    "runtime/agent_run.py",
    "runtime/tool_calls.py",
    "runtime/run.py",
    "runtime/guards/verdicts.py",
    "agents/remote.py",
    "cli",
)
"""Where errors come from that a command can meet: all but how the library is called."""
PROGRAMMERS = (
    "asyncio.run(",  # no running event loop: commands have theirs
    "handoffs=",  # commands make one agent
    "background=True",  # commands set none
    "tools=[search]",  # a tool of the provider's
    "HTTP_PROXY=",  # what a shell takes
    "_PROXY=",
    "export {",  # likewise
    "?speed=",
)
"""What a command's user never reads, or may read as it stands."""


def hints() -> Iterator[tuple[str, str]]:
    """Every hint that is written in those places, and where it stands."""
    for path in sorted(path for place in MET for path in (*(SOURCE / place).rglob("*.py"), SOURCE / place)):
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                if keyword.arg == "hint":
                    yield f"{path.relative_to(SOURCE)}:{keyword.value.lineno}", ast.unparse(keyword.value)


@pytest.mark.parametrize(
    ("name", "env", "told"),
    [
        (None, {}, "Write --model openai/gpt-5.4 and its key (OPENAI_API_KEY, ANTHROPIC_API_KEY, …), or set"),
        (None, {"GROQ_API_KEY": "gsk-1"}, "Write --model groq/openai/gpt-oss-120b, or set HEADWATER_MODEL. To try"),
        ("openai/x", {}, "Set OPENAI_API_KEY in the environment. To try without a key: --model offline."),
        ("llama9", {}, "For your own server, pass --base-url."),
        ("azure/x", {}, "pass --base-url https://NAME.openai.azure.com/openai/v1."),
    ],
)
def test_what_the_registry_advises(name: str | None, env: dict[str, str], told: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        resolve(name, env=env)
    said = for_the_command_line(str(caught.value))
    assert told in said
    assert "=" not in said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "openai takes no file by its URL. Give the file's bytes: File(data=…).",
            "openai takes no file by its URL. Download it, and attach the file.",
        ),
        ("save='x' is not a valid file name for a run.", "--save 'x' is not a valid file name for a run."),
        ("Pass step=, the last step to copy.", "Pass --step, the last step to copy."),
        (
            'If it does not support a JSON Schema for the answer, use output_mode="tool", or "prompted".',
            "If it does not support a JSON Schema for the answer, ask for JSON in words, without --schema.",
        ),
        (
            "'pilot' is declared with one of type Path. Pass it: agent.run(task, context=…). To make it optional, "
            "declare Path | None.",
            "'pilot' is declared with one of type Path. Run it in a program, or declare Path | None.",
        ),
    ],
)
def test_what_only_an_option_can_do_is_named_by_it(said: str, told: str) -> None:
    assert for_the_command_line(said) == told


def test_other_words_stay_as_they_are() -> None:
    said = "The key was not accepted (401). Check OPENAI_API_KEY."
    assert for_the_command_line(said) == said


def test_no_advice_names_what_only_programs_have() -> None:
    found = [*hints()]
    assert len(found) > 50
    for place, written in found:
        told = for_the_command_line(re.sub(r"\{[^}]*\}", "x", written))
        told = told.replace("--label name=value", "")  # an option's own form
        if not any(word in written for word in PROGRAMMERS):
            assert not re.search(r"\w=|`|\bresponse\b(?!'s)|timeouts\.|max_\w|api_key|extra=", told), (place, told)
