"""Tests of a framework need its package, which only an environment of their own has: see CONTRIBUTING.md."""

from __future__ import annotations

import importlib.util

NEEDS = {
    "test_langgraph.py": ("langgraph", "langchain", "langchain_openai"),
    "test_openai_agents.py": ("agents",),
    "test_pydantic_ai.py": ("pydantic_ai",),
}
"""The packages of each file."""

collect_ignore = [file for file, packages in NEEDS.items() if not all(map(importlib.util.find_spec, packages))]
