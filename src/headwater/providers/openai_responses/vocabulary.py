"""The vocabulary of the Responses stream: its event types, item types and content types, and their meanings.

Tables and the fields common to all frames; it must hold no state and decide nothing. A test compares it with the
vendor's own types. https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from headwater.events.messages import FinishReason

__all__ = (
    "CALL_DELTAS",
    "CALL_DONE",
    "CLIENT_CALLS",
    "CONTENT_DELTAS",
    "CONTENT_DONE",
    "IGNORED",
    "INCOMPLETE",
    "ITEM_OF_CONTENT",
    "OPAQUE",
    "PART_DONE",
    "PART_KINDS",
    "SERVER_CALLS",
    "TERMINAL",
    "TEXT_DELTA",
    "UNDECODED",
    "Head",
)

# --- frames


class Head(msgspec.Struct, gc=False):
    """The fields of the frequent frames. Other fields are decoded only for rare types."""

    type: str = ""
    delta: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str | None = None


TEXT_DELTA: Final = "response.output_text.delta"

CONTENT_DELTAS: Final[Mapping[str, str]] = {
    TEXT_DELTA: "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning_text",
    "response.reasoning.delta": "reasoning_text",
    "response.reasoning_summary_text.delta": "summary_text",
    "response.reasoning_summary.delta": "summary_text",
}
"""Deltas of content, and their content types. The shorter reasoning names come from gateways."""

CONTENT_DONE: Final[Mapping[str, str]] = {
    "response.output_text.done": "output_text",
    "response.refusal.done": "refusal",
    "response.reasoning_text.done": "reasoning_text",
    "response.reasoning_summary_text.done": "summary_text",
}
"""Frames with one complete content."""

PART_DONE: Final = frozenset({"response.content_part.done", "response.reasoning_summary_part.done"})
"""The same, as a part with its type and annotations."""

CALL_DELTAS: Final = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.code_interpreter_call_code.delta",
    }
)

CALL_DONE: Final[Mapping[str, str]] = {
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
    "response.mcp_call_arguments.done": "arguments",
    "response.code_interpreter_call_code.done": "code",
}
"""Frames with a call's complete arguments, and the field that has them."""

TERMINAL: Final[Mapping[str, str]] = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
    "response.done": "completed",
}
"""The end markers, and the status that each implies if the response has none."""

UNDECODED: Final = frozenset(
    {
        "response.audio.delta",
        "response.audio.transcript.delta",
    }
)
"""Frames with content that no event can represent: reported by a warning."""

IGNORED: Final = frozenset(
    {
        # An item or a part starts, without content yet.
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        # The end of the contents in UNDECODED.
        "response.audio.done",
        "response.audio.transcript.done",
        # Progress of a server-side tool: its finished item has the same.
        "response.code_interpreter_call.in_progress",
        "response.code_interpreter_call.interpreting",
        "response.code_interpreter_call.completed",
        "response.compaction.compacting",
        "response.file_search_call.in_progress",
        "response.file_search_call.searching",
        "response.file_search_call.completed",
        "response.image_generation_call.in_progress",
        "response.image_generation_call.generating",
        "response.image_generation_call.completed",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_list_tools.in_progress",
        "response.mcp_list_tools.completed",
        "response.mcp_list_tools.failed",
        "response.web_search_call.in_progress",
        "response.web_search_call.searching",
        "response.web_search_call.completed",
        # A preview of an image.
        "response.image_generation_call.partial_image",
        # A shell call in pieces: its item has all of it.
        "response.shell_call_command.added",
        "response.shell_call_command.delta",
        "response.shell_call_command.done",
        "response.shell_call_output_content.delta",
        "response.shell_call_output_content.done",
        # Only keeps the connection open.
        "keepalive",
    }
)
"""Frames without content of their own, each by name."""

# --- items and their contents

SERVER_CALLS: Final[Mapping[str, str]] = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "mcp_call": "mcp",
}
"""Calls that the provider runs and shows the arguments of, and their names if they have none."""

CLIENT_CALLS: Final = frozenset(
    {
        "apply_patch_call",
        "computer_call",
        "local_shell_call",
        "mcp_approval_request",
        "shell_call",
    }
)
"""Calls for the client that are not headwater tools: kept as items, reported by a warning."""

OPAQUE: Final = frozenset(
    {
        "additional_tools",
        "apply_patch_call_output",
        "compaction",
        "computer_call_output",
        "custom_tool_call_output",
        "function_call_output",
        "local_shell_call_output",
        "mcp_approval_response",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call_output",
        "tool_search_output",
    }
)
"""Items kept unchanged, to be sent back at their place."""

PART_KINDS: Final[Mapping[str, str]] = {
    "output_text": "answer",
    "refusal": "refusal",
    "reasoning_text": "full",
    "summary_text": "summary",
}
"""Content types, and the kind of part for each."""

ITEM_OF_CONTENT: Final[Mapping[str, str]] = {
    "output_text": "message",
    "refusal": "message",
    "reasoning_text": "reasoning",
    "summary_text": "reasoning",
}
"""Content types, and the type of their item."""

# --- how a response ends

INCOMPLETE: Final[Mapping[str, FinishReason]] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
"""Reasons of an incomplete response, and their normalized values; other reasons have none."""
