"""`MCP`, what users write: a server in an agent's `tools=`.

A declaration that any number of runs and event loops share. Owns its arguments and one connection for each event loop.
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import os
import re
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from headwater.backends.timeouts import Timeouts
from headwater.errors import ConfigurationError, MCPUnavailable
from headwater.events.messages import Message
from headwater.schema.arguments import ExplainedClass
from headwater.tools.mcp.calls import RemoteTool
from headwater.tools.mcp.connection import Connection
from headwater.tools.mcp.names import fitted, unique
from headwater.tools.mcp.search import DEFER_ABOVE, SearchTool, found_in
from headwater.tools.mcp.session import Session
from headwater.tools.mcp.target import OAUTH, target_of
from headwater.tools.work import Approval, Offered, Toolbox, is_approval

__all__ = ("MCP",)

CONNECT_SECONDS: Final = 60.0
"""How long a server may take to start, unless `timeouts` says something else: package runners load it first."""

SIGN_IN_SECONDS: Final = 360.0
"""The same where a person may have to sign in first."""

MAX_NAMED: Final = 20
"""Tools that a warning names."""

_log: Final = logging.getLogger("headwater.mcp")


class MCP(Toolbox, ExplainedClass):
    """The tools of an MCP server, for `Agent(tools=[MCP("npx -y @scope/server")])`.

    `target` is a command (a string or a list), a URL (streamable HTTP, else server-sent events), or an in-process
    server of the packages `mcp` or `fastmcp`. The first run that needs it connects, and the connection is kept for
    later runs: one for each event loop, closed with it, by `aclose`, or by `async with`.

    `name` is used in errors, in the logger `headwater.mcp.NAME` and as a prefix of names that are taken. `include` and
    `exclude` choose tools by name, `*` matches anything; `prefix` is put before each name. With `defer` the model gets
    one tool that searches the others, and those that it finds; by default above 40 tools. `approval` holds for each
    tool, see `tool`. `env` and `cwd` are for a command, which inherits little else of the environment. `headers` and
    `auth` are for a URL: `auth` is a bearer token, "oauth" to sign in with a browser, or an `httpx2.Auth`. `sampling`
    is the SDK's callback for servers that ask for a model. Without `required` a run that cannot reach the server
    continues without its tools, with a warning. Of `timeouts`, `connect` and `tool` apply; both are in seconds.

    Raises: ConfigurationError.
    """

    def __init__(
        self,
        target: Any,
        *,
        name: str | None = None,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        prefix: str = "",
        defer: bool | None = None,
        approval: Approval = False,
        env: Mapping[str, str] | None = None,
        cwd: Any = None,
        headers: Mapping[str, str] | None = None,
        auth: Any = None,
        sampling: Any = None,
        required: bool = True,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._target = target_of(target, env=env, cwd=cwd, headers=headers, auth=auth, sampling=sampling)
        self.name: str = _named(name, self._target.shown)
        self._include = _patterns("include", include)
        self._exclude = _patterns("exclude", exclude) or ()
        self._missed: set[str] = set()  # what of `include` was said to fit no tool
        if not isinstance(prefix, str):
            raise ConfigurationError(f"prefix is {prefix!r}.", hint='Pass a string such as "git_".')
        self._prefix = prefix
        if defer is not None and not isinstance(defer, bool):
            raise ConfigurationError(
                f"defer is {defer!r}.", hint=f"Use True, False, or None: above {DEFER_ABOVE} tools."
            )
        self._defer = defer
        if not is_approval(approval):
            hint = "Use True, a reason, or a function of the arguments."
            raise ConfigurationError(f"approval is {approval!r}.", hint=hint)
        self.approval: Approval = approval
        self.required = required
        if timeouts is not None and not isinstance(timeouts, Timeouts):
            raise ConfigurationError(
                f"timeouts is {timeouts!r}.", hint="Write timeouts=Timeouts(connect=30), in seconds."
            )
        usual = SIGN_IN_SECONDS if self._target.auth == OAUTH else CONNECT_SECONDS
        self._connect_seconds = usual if timeouts is None else timeouts.connect
        self.tool_seconds: float | None = None if timeouts is None else timeouts.tool
        self._connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connection] = (
            weakref.WeakKeyDictionary()
        )
        end = weakref.finalize(self, _end, self._connections)
        end.atexit = False  # each event loop closes its own

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> tuple[MCP, ...]:
        """Returns the servers of an `mcp.json`, to be added to `tools=`.

        `${NAME}` in it is an environment variable, `${NAME:-default}` one with a default. Raises ConfigurationError.
        """
        from headwater.tools.mcp.file import servers_in

        return tuple(cls(target, name=name, **options) for name, (target, options) in servers_in(path).items())

    def __repr__(self) -> str:
        return f"MCP({self.name})"

    def __deepcopy__(self, memo: dict[int, Any]) -> MCP:
        return self  # copies of an agent share its connections

    async def __aenter__(self) -> MCP:
        """Connects now. Raises MCPUnavailable."""
        await self.connection().session()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection of the running event loop; the next run that needs it connects again."""
        if (connection := self._connections.pop(asyncio.get_running_loop(), None)) is not None:
            await connection.close()

    def connection(self) -> Connection:
        """Returns the connection of the running event loop, not yet made."""
        loop = asyncio.get_running_loop()
        if (known := self._connections.get(loop)) is None:
            target, name = self._target, self.name
            known = self._connections[loop] = Connection(
                name, target.open, seconds=self._connect_seconds, told=partial(target.unavailable, name)
            )
        return known

    # --- its tools, see `Toolbox`

    @property
    def definition(self) -> Any:
        """See `Toolbox`."""
        return ["mcp", self.name, self._include, self._exclude, self._prefix, self._defer]

    async def listing(self) -> Sequence[RemoteTool]:
        """See `Toolbox`."""
        connection = self.connection()
        try:
            session = await connection.session()
            try:
                return self._chosen(session, await session.tools())
            except Exception:
                if not session.over:
                    raise
            session = await connection.session()  # it was lost while it was idle
            return self._chosen(session, await session.tools())
        except MCPUnavailable:
            raise
        except Exception as error:
            raise self._target.unavailable(self.name, error) from None

    def _chosen(self, session: Session, tools: Collection[Any]) -> Sequence[RemoteTool]:
        for pattern in self._include or ():
            if pattern not in self._missed and not any(fnmatch.fnmatchcase(tool.name, pattern) for tool in tools):
                self._missed.add(pattern)  # a server may get such a tool later, so it is no error
                has = ", ".join([tool.name for tool in tools][:MAX_NAMED]) or "none"
                _log.warning("No tool of %s fits include=%r. Its tools are %s.", self.name, pattern, has)
        return [made for tool in tools if self._wants(tool.name) and (made := self._made(tool)) is not None]

    def _wants(self, name: str) -> bool:
        chosen = self._include is None or any(fnmatch.fnmatchcase(name, one) for one in self._include)
        return chosen and not any(fnmatch.fnmatchcase(name, one) for one in self._exclude)

    def _made(self, tool: Any) -> RemoteTool | None:
        try:
            return RemoteTool(self, tool)
        except ValueError as error:
            _log.warning("The tool %s of %s cannot be used: %s.", tool.name, self.name, error)
            return None

    def offered(
        self, listing: Sequence[RemoteTool], taken: Collection[str], said: Sequence[Message]
    ) -> tuple[Mapping[str, Offered], Collection[str]]:
        """See `Toolbox`."""
        tools: dict[str, Offered] = {}
        for tool in listing:
            name = unique(f"{self._prefix}{tool.remote_name}", self.name, {*taken, *tools})
            tools[name] = tool.named(name)
        if not (len(tools) > DEFER_ABOVE if self._defer is None else self._defer):
            return tools, tools
        name = unique(f"search_{self.name}", self.name, {*taken, *tools})
        search = SearchTool(name, self.name, [tool.spec for tool in tools.values()])
        found = {name: tools[name] for name in found_in(said, search.name) if name in tools}
        return {search.name: search, **found}, {search.name, *tools}


def _named(name: Any, shown: str) -> str:
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise ConfigurationError(f"The name of an MCP server is {name!r}.", hint="Pass a non-empty string.")
    return name or fitted(re.split(r"[/\\]+", shown.rstrip("/"))[-1])


def _patterns(argument: str, given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Iterable) or not all(isinstance(one, str) for one in given):
        raise ConfigurationError(f"{argument} is {given!r}.", hint=f'Pass a list of names: {argument}=["read_*"].')
    return tuple(given)


def _end(connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connection]) -> None:
    for connection in [*connections.values()]:
        connection.close_soon()
