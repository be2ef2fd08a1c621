"""An agent of pydantic-ai as an agent here.

    PydanticAI(pydantic_ai.Agent("openai:gpt-5.4"), name="researcher")

Owns the translation of its graph of nodes and their events. An agent that a tool of this one runs is a run of its own,
of which pydantic-ai's stream says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from msgspec import UNSET

from headwater.adapters.adapted import Adapted, named
from headwater.adapters.adapted_run import AdaptedRun
from headwater.adapters.conversation import PARTS, Said, Turn
from headwater.adapters.package import imported
from headwater.errors import ConfigurationError
from headwater.events.messages import FinishReason, Image, Text, Usage

__all__ = ("PydanticAI",)

_PACKAGE: Final = "pydantic-ai-slim"

_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_call": "tool_calls",
}

ANSWER_TOOL: Final = "final_result"
"""The tool in which a model gives a structured answer, unless the agent declares another one."""


class PydanticAI(Adapted):
    """An agent of pydantic-ai, version 2 or later.

    `context` of a run is its `deps`, and its output is the Response's `output`. `options` go to its `iter`, such as
    `usage_limits=` or `model_settings=`. Leaving the run closes the connection to the provider; tools that run in
    threads finish there. Raises ConfigurationError if pydantic-ai is not installed, or `agent` is not one of its.
    """

    framework = "pydantic-ai"
    kinds: ClassVar[tuple[type[Said], ...] | None] = PARTS

    def __init__(self, agent: Any, *, name: str | None = None, description: str = "", **options: Any) -> None:
        ai = imported("pydantic_ai", _PACKAGE)
        if not isinstance(agent, ai.agent.AbstractAgent):
            raise ConfigurationError(
                f"{type(agent).__name__} is not an agent of pydantic-ai.", hint="Give a pydantic_ai.Agent."
            )
        super().__init__(named(name, agent.name, "pydantic-ai"), description=description)
        self.agent = agent
        self.options = options

    def _begin(self, task: Any, **options: Any) -> AdaptedRun:
        run = super()._begin(task, **options)
        if getattr(self.agent, "output_type", str) is not str:
            run.answer_tool = ANSWER_TOOL
        return run

    async def _tell(self, run: AdaptedRun) -> None:
        ai = imported("pydantic_ai", _PACKAGE)
        history, prompt = _conversation(ai, self._turns(run.input))
        given = {"deps": run.context} if run.context is not None else {}
        async with self.agent.iter(prompt, message_history=history or None, **given, **self.options) as graph:
            async for node in graph:
                if ai.Agent.is_model_request_node(node):
                    await _hear(run, graph, node)
                elif ai.Agent.is_call_tools_node(node):
                    _end_step(run, node.model_response)
                    await run.turn()
                    await _watch_tools(run, graph, node)
            output = graph.result.output
        if isinstance(output, ai.DeferredToolRequests):
            waits = ", ".join(call.tool_name for call in (*output.approvals, *output.calls))
            raise ConfigurationError(
                f"{self.name!r} ended with calls that wait for people or for another program: {waits}.",
                hint="Answer them inside pydantic-ai, with its HandleDeferredToolCalls.",
            )
        run.finish(output=UNSET if isinstance(output, str) else output)


def _conversation(ai: Any, said: tuple[Turn, ...]) -> tuple[list[Any], list[Any]]:
    """Returns what was said before the last message of the user, and that message."""
    messages = ai.messages
    before, last = (said[:-1], said[-1].parts) if said and said[-1].role == "user" else (said, ())
    history: list[Any] = []
    for role, parts in before:
        if role == "assistant":
            history.append(messages.ModelResponse([messages.TextPart(part.text) for part in parts]))  # type: ignore[union-attr]
        elif role == "system":
            history.append(messages.ModelRequest([messages.SystemPromptPart(Turn(role, parts).text)]))
        else:
            content = [_content(messages, part) for part in parts]
            history.append(messages.ModelRequest([messages.UserPromptPart(content)]))
    return history, [_content(messages, part) for part in last]


def _content(messages: Any, part: Said) -> Any:
    if isinstance(part, Text):
        return part.text
    if part.data is not None:
        return messages.BinaryContent(data=part.data, media_type=part.media_type or "application/octet-stream")
    return messages.ImageUrl(part.url) if isinstance(part, Image) else messages.DocumentUrl(part.url)


# --- a model's answer


async def _hear(run: AdaptedRun, graph: Any, node: Any) -> None:
    model = getattr(graph.ctx.deps, "model", None)
    run.begin_step(model=str(getattr(model, "model_name", "")), provider=str(getattr(model, "system", "")))
    open_calls: dict[int, str] = {}
    async with node.stream(graph.ctx) as stream:
        accepted = False
        async for event in stream:
            if not accepted:
                accepted = True
                response = stream.response
                run.accepted(response.provider_response_id or "", response.model_name or "")
            _say(run, event, open_calls)
            await run.turn()


def _say(run: AdaptedRun, event: Any, open_calls: dict[int, str]) -> None:
    if event.event_kind == "part_start":
        part = event.part
        run.end_part()
        if part.part_kind == "text":
            run.text(part.content)
        elif part.part_kind == "thinking":
            run.reasoning(part.content)
        elif part.part_kind in ("tool-call", "builtin-tool-call"):
            open_calls[event.index] = part.tool_call_id
            run.begin_call(part.tool_call_id, part.tool_name, by_provider=part.part_kind != "tool-call")
            if isinstance(part.args, str):
                run.call_piece(part.tool_call_id, part.args)
    elif event.event_kind == "part_delta":
        delta = event.delta
        if delta.part_delta_kind == "text":
            run.text(delta.content_delta)
        elif delta.part_delta_kind == "thinking":
            run.reasoning(delta.content_delta or "")
        elif delta.part_delta_kind == "tool_call" and isinstance(delta.args_delta, str):
            run.call_piece(open_calls.get(event.index, ""), delta.args_delta)
    elif event.event_kind == "part_end" and (call := open_calls.pop(event.index, None)) is not None:
        run.end_call(call, event.part.tool_name, event.part.args)


def _end_step(run: AdaptedRun, response: Any) -> None:
    for part in response.parts:  # a model that does not stream gives the whole answer at once
        if part.part_kind == "tool-call":
            run.end_call(part.tool_call_id, part.tool_name, part.args)
    run.usage(_usage(response.usage))
    reason = response.finish_reason
    word = (response.provider_details or {}).get("finish_reason")
    run.end_step(_REASONS.get(reason or ""), word=word if isinstance(word, str) else reason)


def _usage(usage: Any) -> Usage:
    if not (usage.input_tokens or usage.output_tokens):
        return Usage()
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_input_tokens=usage.cache_read_tokens or None,
        cache_write_tokens=usage.cache_write_tokens or None,
        reasoning_tokens=getattr(usage, "output_reasoning_tokens", 0) or None,
        cost=getattr(usage, "cost", None),
    )


# --- its tools


async def _watch_tools(run: AdaptedRun, graph: Any, node: Any) -> None:
    async with node.stream(graph.ctx) as events:
        async for event in events:
            if event.event_kind in ("function_tool_call", "output_tool_call"):
                run.tool_started(event.part.tool_call_id, event.part.tool_name, event.part.args)
            elif event.event_kind in ("function_tool_result", "output_tool_result"):
                part = event.part
                result = part.model_response_str()
                went = getattr(part, "outcome", "success")
                error = None if went == "success" else result or went
                run.tool_finished(part.tool_call_id, result, error=error, name=part.tool_name or "")
            await run.turn()
