"""An agent of the OpenAI Agents SDK as an agent here.

    OpenAIAgents(agents.Agent(name="writer", model="gpt-5.4"))

Owns the translation of its stream. A handoff is a handoff here too: the agent that takes over is a run below. An agent
that is a tool of another is not in the SDK's stream, so it is shown as a tool alone.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from msgspec import UNSET

from headwater.adapters.adapted import Adapted, named
from headwater.adapters.adapted_run import AdaptedRun
from headwater.adapters.conversation import PARTS, Said, Turn
from headwater.adapters.package import imported
from headwater.adapters.told import ToldRun
from headwater.errors import ConfigurationError
from headwater.events.messages import FinishReason, Image, Text, Usage, data_url

__all__ = ("OpenAIAgents",)

_PACKAGE: Final = "openai-agents"

_BY_PROVIDER: Final = ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call")
"""Items of a response that are calls which OpenAI itself runs."""


class OpenAIAgents(Adapted):
    """An agent of the OpenAI Agents SDK.

    `context` of a run is the SDK's context, and the agent's output is the Response's `output` if it has an output type.
    `options` go to `Runner.run_streamed`, such as `max_turns=` or `run_config=`. Leaving the run cancels the SDK's
    tasks, which closes the connection to the provider; tools that run in threads finish there. Raises
    ConfigurationError if the SDK is not installed, or `agent` is not one of its.
    """

    framework = "The OpenAI Agents SDK"
    kinds: ClassVar[tuple[type[Said], ...] | None] = PARTS

    def __init__(self, agent: Any, *, name: str | None = None, description: str = "", **options: Any) -> None:
        sdk = imported("agents", _PACKAGE)
        if not isinstance(agent, sdk.Agent):
            raise ConfigurationError(
                f"{type(agent).__name__} is not an agent of the OpenAI Agents SDK.", hint="Give an agents.Agent."
            )
        about = description or agent.handoff_description or ""
        super().__init__(named(name, agent.name, "openai-agents"), description=about)
        self.agent = agent
        self.options = options

    async def _tell(self, run: AdaptedRun) -> None:
        sdk = imported("agents", _PACKAGE)
        said = [_input(turn) for turn in self._turns(run.input)]
        given = {"context": run.context} if run.context is not None else {}
        result = sdk.Runner.run_streamed(self.agent, said, **given, **self.options)
        telling = _Telling(run, self.agent)
        try:
            async for event in result.stream_events():
                telling.hear(event)
                await run.turn()
        finally:
            # The stream, when it is left, would wait for the whole run; this stops it.
            result.cancel()
        if result.interruptions:
            waits = ", ".join(str(item.tool_name) for item in result.interruptions)
            raise ConfigurationError(
                f"{self.name!r} waits for approval of {waits}, which an adapter cannot give.",
                hint="Decide inside the SDK, or declare the tool in headwater: @tool(approval=True).",
            )
        output = result.final_output
        run.finish(output=UNSET if output is None or isinstance(output, str) else output)


def _input(turn: Turn) -> dict[str, Any]:
    if turn.role != "user":
        return {"role": turn.role, "content": turn.text}
    return {"role": "user", "content": [_content(part) for part in turn.parts]}


def _content(part: Said) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, Image):
        url = part.url if part.data is None else data_url(part.data, part.media_type)
        return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
    if part.data is None:
        return {"type": "input_file", "file_url": part.url}
    media_type = part.media_type or "application/octet-stream"
    return {"type": "input_file", "filename": part.name or "file", "file_data": data_url(part.data, media_type)}


class _Telling:
    """Tells one run of the SDK: `run` is the run of the agent that has the conversation."""

    def __init__(self, run: ToldRun, agent: Any) -> None:
        self.run = run
        self._model = _model_of(agent)
        self._calls: dict[str, str] = {}
        """The calls of the open response by the item's id: arguments come under that one."""

    def hear(self, event: Any) -> None:
        """Tells one event of the stream."""
        if event.type == "raw_response_event":
            if (say := _RAW.get(event.data.type)) is not None:
                say(self, event.data)
        elif event.type == "agent_updated_stream_event":
            self._model = _model_of(event.new_agent)
        elif event.name in ("tool_output", "handoff_occured"):
            self._tool_ended(event.item)

    # --- the model's answer

    def _created(self, event: Any) -> None:
        response = event.response
        self._calls.clear()
        self.run.begin_step(model=self._model or str(response.model or ""), provider="openai")
        self.run.accepted(str(response.id or ""), str(response.model or ""))

    def _text(self, event: Any) -> None:
        self.run.text(event.delta)

    def _refusal(self, event: Any) -> None:
        self.run.refusal(event.delta)

    def _reasoning(self, event: Any) -> None:
        self.run.reasoning(event.delta)

    def _part(self, _: Any) -> None:
        self.run.end_part()

    def _item_begins(self, event: Any) -> None:
        item = event.item
        if item.type in ("function_call", "custom_tool_call"):
            self._calls[str(item.id)] = item.call_id
            self.run.begin_call(item.call_id, item.name)
        elif item.type in _BY_PROVIDER:
            self.run.begin_call(str(item.id), item.type.removesuffix("_call"), by_provider=True)

    def _arguments(self, event: Any) -> None:
        if (call := self._calls.get(str(event.item_id))) is not None:
            self.run.call_piece(call, event.delta)

    def _item_ends(self, event: Any) -> None:
        item = event.item
        if item.type == "function_call":
            self.run.end_call(item.call_id, item.name, item.arguments)
        elif item.type == "custom_tool_call":
            self.run.end_call(item.call_id, item.name, {"input": item.input})
        elif item.type in _BY_PROVIDER:
            self.run.end_call(str(item.id), item.type.removesuffix("_call"), {})

    def _completed(self, event: Any) -> None:
        response = event.response
        usage, why = response.usage, getattr(response.incomplete_details, "reason", None)
        if usage is not None:
            self.run.usage(_usage(usage))
        reason: FinishReason | None = None
        if why is not None:
            reason = "length" if why == "max_output_tokens" else "content_filter"
        mine = [item.call_id for item in response.output if item.type in ("function_call", "custom_tool_call")]
        self.run.end_step(reason, word=why or response.status)
        for call in mine if reason is None else ():
            self.run.tool_started(call)  # the SDK starts them all at once

    # --- tools and handoffs

    def _tool_ended(self, item: Any) -> None:
        call = item.raw_item.get("call_id") if isinstance(item.raw_item, dict) else item.raw_item.call_id
        output = item.raw_item.get("output") if isinstance(item.raw_item, dict) else item.raw_item.output
        self.run.tool_finished(str(call), output if isinstance(output, str) else _as_text(output))
        if item.type == "handoff_output_item":
            self.run = self.run.hand_over(item.target_agent.name)


_RAW: Final = {
    "response.created": _Telling._created,
    "response.output_text.delta": _Telling._text,
    "response.refusal.delta": _Telling._refusal,
    "response.reasoning_text.delta": _Telling._reasoning,
    "response.reasoning_summary_text.delta": _Telling._reasoning,
    "response.content_part.added": _Telling._part,
    "response.reasoning_summary_part.added": _Telling._part,
    "response.output_item.added": _Telling._item_begins,
    "response.function_call_arguments.delta": _Telling._arguments,
    "response.custom_tool_call_input.delta": _Telling._arguments,
    "response.output_item.done": _Telling._item_ends,
    "response.completed": _Telling._completed,
    "response.incomplete": _Telling._completed,
}


def _model_of(agent: Any) -> str:
    model = agent.model
    return model if isinstance(model, str) else str(getattr(model, "model", "") or "")


def _usage(usage: Any) -> Usage:
    read, written = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=getattr(read, "cached_tokens", None) or None,
        reasoning_tokens=getattr(written, "reasoning_tokens", None) or None,
    )


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return str(value)
