"""`ProviderSimulator`: a local provider on a real socket that follows a script, with faults.

Owns the script, the list of requests, and the mapping of paths to APIs. The formats are in `wires`, faults in `faults`,
sockets in `server`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

import msgspec

from headwater.agents.model import Model
from headwater.backends.http import HTTPBackend
from headwater.backends.offline.performance import Pace
from headwater.backends.offline.script import Act, Item, check_script, read_turn
from headwater.backends.offline.tokenizer import count
from headwater.errors import ConfigurationError
from headwater.providers import registry
from headwater.providers.catalog import PROVIDERS
from headwater.providers.request import Request
from headwater.testing.faults import Endlessly, Fault, Faulty, applied
from headwater.testing.received import SOON, Received
from headwater.testing.served_answer import Answer, refusal, text_of, write
from headwater.testing.server import HTTPRequestHead, Server
from headwater.testing.wires import WIRES, Trouble, Unspeakable

if TYPE_CHECKING:
    from headwater.events.messages import Message

__all__ = ("Body", "ProviderSimulator", "ServedTurn")

KEY: Final = "sk-simulated-key-0123456789"
"""The key that `model` sends; any key is accepted."""


class Body(msgspec.Struct, frozen=True):
    """Bytes to send unchanged, such as a recorded stream: the whole body, its status and its headers."""

    data: bytes
    status: int = 200
    headers: dict[str, str] = {}


ServedTurn: TypeAlias = "Item | Message | Sequence[Item] | Body | Faulty | Callable[[Received], ServedTurn]"
"""The answer to one request: a turn, bytes, either with faults, or a function of the request."""


class _Door(NamedTuple):
    """How a provider is addressed: a model's name, the variable with its URL, and the path of that URL."""

    name: str
    variable: str
    path: str = ""


_DOORS: Final = {
    "openai-chat": _Door("openai-chat/gpt-5.4", "OPENAI_BASE_URL", "/v1"),
    "openai-responses": _Door("openai-responses/gpt-5.4", "OPENAI_BASE_URL", "/v1"),
    "anthropic": _Door("anthropic/claude-sonnet-5", "ANTHROPIC_BASE_URL"),
    "gemini": _Door("gemini/gemini-flash-latest", "GOOGLE_GEMINI_BASE_URL"),
    "ollama": _Door("ollama/llama3.2", "OLLAMA_HOST"),
    "azure": _Door("openai-chat/azure/gpt-5.4", "AZURE_OPENAI_ENDPOINT"),
    "groq": _Door("groq/openai/gpt-oss-120b", "GROQ_BASE_URL"),
}

_PATHS: Final = (
    (re.compile(r"/deployments/(?P<model>[^/]+)/chat/completions$"), "openai-chat"),
    (re.compile(r"/chat/completions$"), "openai-chat"),
    (re.compile(r"/responses$"), "openai-responses"),
    (re.compile(r"/messages$"), "anthropic"),
    (re.compile(r"/(?P<model>[^/:]+):streamGenerateContent$"), "gemini"),
    (re.compile(r"/api/chat$"), "ollama"),
)


class ProviderSimulator:
    """A provider for tests: serves a script of turns in every API's format over a real socket on 127.0.0.1.

        with ProviderSimulator(["Hello.", Faulty("Good bye.", Reset(at=60)), Fail(429, retry_after=1)]) as provider:
            agent = Agent(model=provider.model("anthropic"))

    Turns are used in the order of the requests, whichever API they use. A function of the request instead of a sequence
    answers any number of requests. In a turn, `Fail(status)` is an HTTP error if nothing was sent yet, otherwise an
    error inside the stream; `Fail("code")` is always the latter, `Fail(ConnectionResetError())` a reset, `Cut` a body
    without its end marker, `Wait` a pause. `rate` is tokens per second; `faults` apply to every turn, before the turn's
    own. It runs in a separate thread, started by `with` or `async with`.

    A request after the end of the script, or for something that the API cannot express, is answered with HTTP 400 and
    listed in `problems`; leaving the block does not raise for them.
    """

    def __init__(
        self,
        script: Sequence[ServedTurn] | Callable[[Received], ServedTurn],
        *,
        rate: float | None = None,
        faults: Sequence[Fault] = (),
        port: int = 0,
    ) -> None:
        self._script = script if callable(script) else _checked(script)
        self._faults = tuple(faults)
        self._pace = Pace(rate)
        self._server = Server(self._respond, port=port)
        self._requests: list[Received] = []
        self._turns = 0
        self._news = threading.Condition()
        self.problems: list[str] = []
        """The requests that could not be answered, and why."""

    # --- starting and stopping

    def start(self) -> Self:
        """Start serving; `with` does this."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Close every connection and stop serving."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    # --- for tests

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    @property
    def connections(self) -> int:
        """The number of connections so far."""
        return self._server.connections

    @property
    def requests(self) -> tuple[Received, ...]:
        """The requests so far, in order."""
        return tuple(self._requests)

    def wait_requests(self, number: int, seconds: float = SOON) -> bool:
        """Wait for a number of requests, and return whether they came. Blocks this thread."""
        with self._news:
            return self._news.wait_for(lambda: len(self._requests) >= number, seconds)

    def url(self, api: str = "openai-chat") -> str:
        """The base URL for a client of an API or a provider: `openai-chat`, `anthropic`, …, `azure`, `groq`.

        Raises ConfigurationError before it is started.
        """
        path = _door(api).path
        if not self.port:
            raise ConfigurationError(
                "The simulator is not running, so it has no URL yet.",
                hint="Write `with ProviderSimulator(…) as provider:`, and use it inside the block.",
            )
        return f"http://127.0.0.1:{self.port}{path}"

    def model(self, api: str = "openai-chat", **options: Any) -> Model:
        """A Model that uses this provider; `api` as in `url`, or a full name such as `deepseek/deepseek-chat`.

        It has the real provider's name and quirks. `options` are a Model's: timeouts, retries, ….
        """
        door = _door(api)
        resolved = registry.resolve(door.name, api_key=KEY, env={door.variable: self.url(api)})
        connect = options["timeouts"].connect if options.get("timeouts") is not None else msgspec.UNSET
        backend = HTTPBackend(
            resolved.endpoint, resolved.model, registry.load_api(resolved.endpoint.api), connect=connect
        )
        return Model(backend, **options)

    # --- answering, in the server's thread

    def _respond(self, head: HTTPRequestHead, body: bytes, connection: int) -> tuple[Received, Answer]:
        api, model = _route(head.path)
        asked = _read(body)
        received = Received(
            api=api,
            method=head.method,
            path=head.path,
            query=head.query,
            headers=head.headers,
            json=asked,
            model=model or str(asked.get("model") or ""),
            connection=connection,
        )
        with self._news:
            self._requests.append(received)
            self._news.notify_all()
        return received, self._answer(received)

    def _answer(self, received: Received) -> Answer:
        if not received.api or received.method != "POST":
            return self._refused(received, 404, f"Nothing is served at {received.method} {received.path}")
        if received.json.get("stream", received.api in ("gemini", "ollama")) is not True:
            return self._refused(received, 400, "Only streams are served: ask with stream=true")
        turn = self._next_turn(received)
        faults = list(self._faults)
        try:
            while isinstance(turn, Faulty) or callable(turn):
                if isinstance(turn, Faulty):
                    faults += turn.faults
                    turn = turn.turn
                else:
                    turn = turn(received)
            if isinstance(turn, Body):
                headers = {"Content-Type": WIRES[received.api].content_type, **turn.headers}
                answer = Answer(steps=iter([turn.data]), status=turn.status, headers=headers)
            else:
                answer = self._write(received, _acts(turn), faults)
        except Unspeakable as problem:
            return self._refused(received, 400, f"The script holds {problem}")
        except _ScriptEnded as problem:
            return self._refused(received, 400, str(problem))
        return applied(faults, answer)

    def _write(self, received: Received, acts: Sequence[Act], faults: Sequence[Fault]) -> Answer:
        wire = WIRES[received.api](received.model, received.json)
        endless = next((fault.what for fault in faults if isinstance(fault, Endlessly)), None)
        return write(acts, wire, pace=self._pace, input_tokens=count(text_of(received.json)), endless=endless)

    def _next_turn(self, received: Received) -> ServedTurn:
        if callable(self._script):
            return self._script
        number, self._turns = self._turns, self._turns + 1
        if number < len(self._script):
            return self._script[number]
        had = f"{len(self._script)} turn{'' if len(self._script) == 1 else 's'}"

        def ended(_: Received) -> ServedTurn:
            raise _ScriptEnded(f"The script has {had} and was asked for number {number + 1}")

        return ended

    def _refused(self, received: Received, status: int, why: str) -> Answer:
        self.problems.append(why)
        return refusal(WIRES.get(received.api, WIRES["openai-chat"]), Trouble(status, None, f"{why}."))

    def __repr__(self) -> str:
        return f"<ProviderSimulator on port {self.port}, {len(self._requests)} requests>"


class _ScriptEnded(Exception):
    """There were more requests than turns."""


def _checked(script: Sequence[ServedTurn]) -> tuple[ServedTurn, ...]:
    """The turns of a script; a string alone is one turn. Raises TypeError for an invalid turn."""
    turns: tuple[ServedTurn, ...] = (script,) if isinstance(script, str) else tuple(script)
    for turn in turns:
        while isinstance(turn, Faulty):
            turn = turn.turn
        if not callable(turn) and not isinstance(turn, Body):
            check_script([turn])
    return turns


def _acts(turn: Any) -> tuple[Act, ...]:
    return read_turn(turn, Request(model="", messages=()))


def _door(api: str) -> _Door:
    key = api.partition("/")[0]
    if door := _DOORS.get(key):
        return door if api == key else door._replace(name=api)
    provider = PROVIDERS.get(key)
    if provider is None or not provider.base_url_variables:
        raise ConfigurationError(f"No provider {api!r} is simulated.", hint=f"There are {', '.join(_DOORS)}.")
    return _Door(f"{key}/{provider.example}" if api == key else api, provider.base_url_variables[0], "/v1")


def _route(path: str) -> tuple[str, str]:
    """The API of a path, and the model if the path contains it."""
    for pattern, api in _PATHS:
        if match := pattern.search(path):
            return api, match.groupdict().get("model") or ""
    return "", ""


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
