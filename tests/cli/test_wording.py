"""Advice for programmers as advice for the command line."""

from __future__ import annotations

import pytest

from headwater.cli.wording import for_the_command_line
from headwater.errors import HeadwaterError
from headwater.providers.registry import resolve


@pytest.mark.parametrize(
    ("name", "env", "told"),
    [
        (None, {}, "Write --model openai/gpt-5.4 and its key (OPENAI_API_KEY, ANTHROPIC_API_KEY, …), or set"),
        (None, {"GROQ_API_KEY": "gsk-1"}, "Write --model groq/openai/gpt-oss-120b, or set HEADWATER_MODEL. To try"),
        ("openai/x", {}, "Set OPENAI_API_KEY in the environment. To try without a key: --model offline."),
        ("llama9", {}, "For a server of your own pass --base-url."),
        ("azure/x", {}, "pass --base-url https://NAME.openai.azure.com/openai/v1."),
    ],
)
def test_what_the_registry_advises(name: str | None, env: dict[str, str], told: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        resolve(name, env=env)
    said = for_the_command_line(str(caught.value))
    assert told in said
    assert "=" not in said


def test_other_words_stay_as_they_are() -> None:
    said = "The key was not accepted (401). Check OPENAI_API_KEY."
    assert for_the_command_line(said) == said
