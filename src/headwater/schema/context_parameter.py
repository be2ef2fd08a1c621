"""Whether a program's function of one value takes a context too, as guards and approvals may.

A second parameter that has a default is the program's own, unless its name or type hint says that it is the context.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

__all__ = ("takes_context",)

_NAMES: Final = ("ctx", "context")


def takes_context(function: Callable[..., Any], *, hint: str = "", variadic: bool = False) -> bool:
    """Whether to call the function with a context. `hint` is the name of the context's type, if it has one; `variadic`
    says whether `*args` take one. Raises TypeError if the function can be called neither with it nor without."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # as some that are written in C
        return variadic
    places = [
        one for one in signature.parameters.values() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    second = places[1] if len(places) > 1 else None
    if second is None:
        takes = variadic and any(one.kind is one.VAR_POSITIONAL for one in signature.parameters.values())
    else:
        named = second.name in _NAMES or (bool(hint) and hint in str(second.annotation))
        takes = named or second.default is second.empty
    signature.bind(*(None,) * (2 if takes else 1))
    return takes
