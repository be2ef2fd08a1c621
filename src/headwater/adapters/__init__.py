"""Agents of other frameworks as agents here: in workflows, as tools, on the dashboard, behind HTTP.

    from headwater.adapters import LangGraph, OpenAIAgents, PydanticAI, Strings

Each module but the common ones is one framework's, and imports it on first use.
"""

from headwater.adapters.adapted import Adapted
from headwater.adapters.langgraph import LangGraph
from headwater.adapters.openai_agents import OpenAIAgents
from headwater.adapters.pydantic_ai import PydanticAI
from headwater.adapters.strings import Strings

__all__ = ("Adapted", "LangGraph", "OpenAIAgents", "PydanticAI", "Strings")
