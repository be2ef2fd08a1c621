"""Serves agents over HTTP: clients start runs, read them, disconnect and reconnect. Needs `headwater[web]`.

from starlette.applications import Starlette
from starlette.routing import Mount

from headwater import Agent
from headwater.web import router

agent = Agent(name="writer", model="openai/gpt-5.4")
app = Starlette(routes=[Mount("/agents", app=router(agent))])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.web.limits import Limits
    from headwater.web.routing import api_router, router

__all__ = ("Limits", "api_router", "router")

_HOMES = {"Limits": "limits", "api_router": "routing", "router": "routing"}

if not TYPE_CHECKING:  # a checker would take every name for known

    def __getattr__(name: str) -> Any:
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'headwater.web' has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(f"headwater.web.{_HOMES[name]}"), name)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "starlette":
                raise
            raise ImportError('headwater.web needs Starlette: pip install "headwater[web]".') from error
        globals()[name] = value
        return value
