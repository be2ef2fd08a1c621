"""The native routes as an OpenAPI document: requests, responses and errors.

Owns the texts of the document. Schemas of bodies come from the types that parse them, so they cannot differ. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from headwater.version import __version__
from headwater.web.http.bodies import Answering, Approving, Saying, Starting
from headwater.web.problems import STATUS

__all__ = ("OPERATIONS", "Operation", "document")


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation of a path: its method, name, request and response."""

    method: str
    path: str
    name: str
    summary: str
    body: type[msgspec.Struct] | None = None
    query: Mapping[str, Mapping[str, Any]] = {}
    headers: Mapping[str, Mapping[str, Any]] = {}
    answers: Mapping[str, str] = msgspec.field(default_factory=lambda: {"200": "The result."})
    """The successful responses, by status."""
    produces: str = "application/json"
    streams: bool = False
    """Whether the response can be a stream of events."""
    refused: tuple[str, ...] = ()
    leads_to: tuple[str, ...] = ()
    """Links to operations on the created run, by name."""
    example: Any = None
    """An example body."""
    public: bool = False

    def described(self) -> dict[str, Any]:
        """Returns the operation in OpenAPI's format."""
        told: dict[str, Any] = {"operationId": self.name, "summary": self.summary, "responses": self._responses()}
        parameters = [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in _names(self.path)
            ),
            *({"name": name, "in": "query", "schema": schema} for name, schema in self.query.items()),
            *({"name": name, "in": "header", "schema": schema} for name, schema in self.headers.items()),
        ]
        if parameters:
            told["parameters"] = parameters
        if self.body is not None:
            schema = {"$ref": f"#/components/schemas/{self.body.__name__}"}
            example = {} if self.example is None else {"example": self.example}
            told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema, **example}}}
        elif self.method == "POST":
            told["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
        if self.public:
            told["security"] = []
        return told

    def _responses(self) -> dict[str, Any]:
        responses: dict[str, Any] = {}
        for status, said in self.answers.items():
            shape = {"type": "object"} if self.produces == "application/json" else _TEXT
            content: dict[str, Any] = {} if status == "204" else {self.produces: {"schema": shape}}
            if self.streams and status in ("200", "201"):
                text = {"schema": {"type": "string"}}
                content = {**content, "text/event-stream": text, "application/x-ndjson": text, "text/plain": text}
            responses[status] = {"description": said, **({"content": content} if content else {})}
            if self.leads_to and status == "201":
                place = {"parameters": {"id": "$response.body#/run_id"}}
                responses[status]["links"] = {name: {"operationId": name, **place} for name in self.leads_to}
        codes: dict[int, list[str]] = {}
        for code in (*self.refused, *_ALWAYS, *(_OF_A_BODY if self.method == "POST" else ())):
            codes.setdefault(STATUS[code], []).append(code)
        refusal = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
        for number in sorted(codes):
            responses[str(number)] = {"description": ", ".join(codes[number]), "content": refusal}
        return responses


_ALWAYS: Final = ("unauthorized", "bad_origin", "bad_host", "internal")
_OF_A_BODY: Final = ("bad_json", "bad_request", "not_json", "too_large", "too_slow")
_OF_AN_ANSWER: Final = ("unknown_question", "answered", "run_ended")
_TEXT: Final = {"type": "string"}
_SELECTION: Final[Mapping[str, Mapping[str, Any]]] = {
    "after": {"type": "integer", "minimum": 0, "description": "The last id that was received."},
    "agent": {"type": "string", "description": "The name of an agent, or the end of a path."},
    "depth": {"type": "integer", "minimum": 0},
    "final_only": {"type": "boolean", "default": False},
}


def _get(path: str, name: str, summary: str, **more: Any) -> Operation:
    return Operation(method="GET", path=path, name=name, summary=summary, **more)


def _of_run(name: str, summary: str, *, at: str, refused: tuple[str, ...] = (), **more: Any) -> Operation:
    """A GET of one of a run's resources; `at` is the path below the run's."""
    return _get(f"/runs/{{id}}{at}", name, summary, refused=("unknown_run", *refused), **more)


def _tell_run(name: str, summary: str, *, at: str, refused: tuple[str, ...] = (), **more: Any) -> Operation:
    """A POST to a run, which acts on it later: the response only says that it was accepted."""
    more = {"answers": {"202": "It is accepted."}, **more}
    refused = ("unknown_run", *refused)
    return Operation(method="POST", path=f"/runs/{{id}}{at}", name=name, summary=summary, refused=refused, **more)


OPERATIONS: Final = (
    _get("/agents", "agents", "The agents and workflows of this server."),
    _get(
        "/runs",
        "runs",
        "The caller's runs, the newest first.",
        query={
            "agent": _TEXT,
            "state": {"enum": ["queued", "running", "waiting", "finished", "failed", "cancelled"]},
            "before": {"type": "string", "description": "The id of a run: only runs that started before it."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
        },
        refused=("bad_request", "unknown_run"),
    ),
    Operation(
        method="POST",
        path="/runs",
        name="start",
        summary="Start a run. It is streamed at once where Accept names a stream, as text where it names text/plain.",
        body=Starting,
        example={"input": "Explain tides."},
        leads_to=("run", "events", "cancel", "say", "answer", "approve", "page"),
        headers={"Accept": _TEXT},
        answers={"200": "The run, streamed.", "201": "The run has started."},
        streams=True,
        refused=(
            "unknown_agent",
            "thread_busy",
            "too_many_runs",
            "too_many_readers",
            "shutting_down",
            "not_configured",
        ),
    ),
    _of_run("run", "The state of a run, and its result so far.", at=""),
    _of_run(
        "events",
        "The events of a run, from its start or after a given one, until it ends.",
        at="/events",
        query=_SELECTION,
        headers={"Last-Event-ID": _TEXT, "Accept": _TEXT},
        answers={"200": "The events.", "204": "The run has ended, and there are no events after that id."},
        streams=True,
        refused=("bad_position", "bad_request", "too_many_readers"),
    ),
    _tell_run(
        "cancel", "Stop a run.", at="/cancel", answers={"200": "The run had ended.", "202": "The run is being stopped."}
    ),
    _tell_run(
        "say",
        "Send a message to a run while it works.",
        at="/messages",
        body=Saying,
        refused=("unknown_agent", "run_ended"),
    ),
    _tell_run("answer", "Answer a tool's question.", at="/answer", body=Answering, refused=_OF_AN_ANSWER),
    _tell_run(
        "approve", "Allow or deny a call that waits for approval.", at="/approve", body=Approving, refused=_OF_AN_ANSWER
    ),
    _of_run("page", "A run as one HTML file that plays it, also offline.", at="/page.html", produces="text/html"),
    _get(
        "/health",
        "health",
        "Whether runs can be started here.",
        answers={"200": "It does.", "503": "The server is shutting down."},
        public=True,
    ),
    _get("/openapi.json", "openapi", "This document."),
)
"""The native routes, in the order of the document."""


def _names(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def document(operations: Iterable[Operation], *, server: str = "", token: bool = False) -> dict[str, Any]:
    """Returns the OpenAPI document of these routes, with `server` as their base path."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = one.described()
    bodies = [one.body for one in OPERATIONS if one.body is not None]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    components: dict[str, Any] = {"schemas": {**schemas, "Refusal": _REFUSAL}}
    told: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "headwater", "version": __version__},
        "servers": [{"url": server or "/"}],
        "paths": paths,
        "components": components,
    }
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        told["security"] = [{"token": []}]
    return told


_REFUSAL: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"enum": [*STATUS]}, "message": {"type": "string"}, "hint": {"type": "string"}},
        }
    },
}
