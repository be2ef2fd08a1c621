"""Rewrites the library's error messages for users of the command line.

Errors advise what to write in Python; here the same advice names options, or is left out without such an option. Only
the advice is changed.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("for_the_command_line",)

_REPLACED: Final = tuple(
    (re.compile(written), told)
    for written, told in (
        (r'\bmodel="([^"]*)"', r"--model \1"),
        (r'\bbase_url="([^"]*)"', r"--base-url \1"),
        (r"""\breasoning=["']([^"']*)["']""", r"--reasoning \1"),
        (r"\bor pass api_key=(?=[.,;])", "in the environment"),
        (r", pass api_key=, or install\b", ", or install"),
        (r"\bPass api_key= \(an access token\), or install\b", "Install"),
        (r"\bpass a token as api_key=", "set the provider's key in the environment"),
        (r"\bpass base_url=", "pass --base-url"),
        (r"\bbase_url\b", "--base-url"),
        (r"\btimeouts\.run\b", "--timeout"),
        (r"\bRaise timeouts\.\w+, or (?:name|set) a fallback model\b", "Try again later, or another model"),
        (r", or raise timeouts\.\w+", ""),
        (r"\bRaise max_steps, or make\b", "Make"),
        (r"\bmax_tokens\b", "--max-tokens"),
        (r"\bLeave out tool_choice, or say\b", "Say"),
        (r"\breasoning=False\b", "--reasoning off"),
        (r"\bChange reasoning\b", "Change --reasoning"),
        (r", or (?:give|pass|say) [\w' ]+ (?:through|with|in) extra=", ""),
        (r"\b(?:Give|Pass) the file's bytes: File\(data=…\)", "Download it, and attach the file"),
        (r"\b(?:Load|Download) it and pass data=", "Download it, and attach the file"),
        (r"""\bsave=(?=["'])""", "--save "),
        (r"\bPass step=(?=, the last step)", "Pass --step"),
        (r'\buse output_mode="tool", or "prompted"', "ask for JSON in words, without --schema"),
        (r"\bPass it: agent\.run\(task, context=…\)\. To make it optional,", "Run it in a program, or"),
        (r"\b(?:Go on with|Use) the same declaration;", "Give the options that it was run with, as --agent or --tool;"),
        (r"with on_changed=\"warn\" (what|the)\b", r"with --anyway \1"),
        (r"; (?:the partial answer|what had come) is in the error's `response`", ""),
        (r" ?What had passed before is in the error's `response`\.", ""),
        (r"\bPass the one that the server was started with: token=…", "Set HEADWATER_TOKEN to the server's"),
        (r"\bPass (?:a token: )?token=…(?: instead)?(?=\.)", "Set HEADWATER_TOKEN"),
        (r", or begin one: Remote\(.*?\)\.run_stream\(task\)", ""),
    )
)


def for_the_command_line(text: str) -> str:
    """Returns `text` with options in place of keyword arguments."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text
