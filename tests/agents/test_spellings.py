"""Names of other libraries: each says what to write here, and what it says is true."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater
from headwater import Agent, ConcurrentWorkflow, Message, Model, SequentialWorkflow, Timeouts, Tool
from headwater.agents.options import RUN_ARGUMENTS
from headwater.agents.spellings import ACCEPTED, ARGUMENTS, NAMES, argument_hint, name_hint
from headwater.agents.validation import SETTINGS, unknown
from headwater.errors import UnsupportedSetting
from headwater.workflows.base import WorkflowOptions
from tests.support.paths import ROOT

AGENT: Final = {*inspect.signature(Agent).parameters} - {"positional", "more"} | SETTINGS
RUN: Final = {"task", *RUN_ARGUMENTS, *SETTINGS}
WORKFLOW: Final = {*WorkflowOptions.__annotations__, "max_loops", "name"}

TAKEN: Final[dict[str, set[str]]] = {
    "Agent": AGENT,
    "agent.run": RUN,
    "ConcurrentWorkflow": WORKFLOW,
    "SequentialWorkflow": WORKFLOW,
    "GraphWorkflow": {*WORKFLOW, "edges", "routes", "start"},
    "Model": {*inspect.signature(Model).parameters} | SETTINGS,
    "Timeouts": {*inspect.signature(Timeouts).parameters},
    "Image": {*inspect.signature(headwater.Image).parameters},
    "File": {*inspect.signature(headwater.File).parameters},
    "tool": {*inspect.signature(Tool).parameters},
}
"""What may be given to whatever is called in a hint."""

_CALL = re.compile(r"@?([\w.]+)\(")
_KEYWORD = re.compile(r"(\w+)=(?!=)")


def written(hint: str) -> list[tuple[str, str]]:
    """Each keyword that a hint writes, and what it is given to ("" where it stands by itself)."""
    found: list[tuple[str, str]] = []
    calls: list[str] = []
    at = 0
    while at < len(hint):
        if call := _CALL.match(hint, at):
            calls.append(call[1])
            at = call.end()
        elif keyword := _KEYWORD.match(hint, at):
            found.append((calls[-1] if calls else "", keyword[1]))
            at = keyword.end()
        else:
            if hint[at] == "(":
                calls.append("")
            elif hint[at] == ")" and calls:
                calls.pop()
            word = re.compile(r"\w+|.", re.DOTALL).match(hint, at)
            assert word is not None
            at = word.end()
    return found


@pytest.mark.parametrize("hint", [*ARGUMENTS.values(), *NAMES.values()])
def test_what_a_hint_writes_can_be_written(hint: str) -> None:
    for call, keyword in written(hint):
        assert keyword in (TAKEN[call] if call in TAKEN else AGENT | RUN | WORKFLOW), (call, keyword)
    for name in re.findall(r"(?<![\w.])(?:headwater\.)?([A-Z]\w+)(?=[(.]|,|$)", hint):
        assert hasattr(headwater, name) or name in ("Counter", "Event", "True", *NAMES), name
    for module, name in re.findall(r"headwater\.(\w+)\.(\w+)", hint):
        assert hasattr(getattr(headwater, module), name)
    for name in re.findall(r"Message\.(\w+)", hint):
        assert hasattr(Message, name)


def test_no_argument_that_there_is_is_called_another_librarys() -> None:
    assert not ARGUMENTS.keys() & (AGENT | {*RUN_ARGUMENTS})
    assert not ACCEPTED.keys() & (AGENT | ARGUMENTS.keys())


def test_no_name_that_there_is_is_called_another_librarys() -> None:
    assert not NAMES.keys() & {*headwater.__all__}


# --- arguments

FOREIGN: Final = re.findall(
    r"\w+",
    """
    user_prompt deps deps_type message_history conversation conversation_id run_id model_settings usage_limits
    cancellation_token timeout metadata infer_name toolsets event_stream_handler capabilities workspace spec
    end_strategy tool_timeout defer_model_check validation_context max_concurrency result_type prompt input_guardrails
    output_guardrails hooks tool_use_behavior reset_tool_choice handoff_description mcp_servers mcp_config input
    max_turns run_config error_handlers previous_response_id session id user_id session_id session_state dependencies db
    memory memory_manager knowledge skills tool_call_limit tool_hooks pre_hooks post_hooks system_message introduction
    expected_output additional_context add_history_to_context delay_between_retries exponential_backoff
    input_schema output_schema output_model structured_outputs use_json_mode role debug_mode telemetry images videos
    audio files stream_events llm stopping_condition loop_interval retry_attempts stopping_token dynamic_loops dashboard
    saved_state_path autosave context_length user_name long_term_memory fallback_model_name stopping_func
    custom_exit_command tool_schema rules planning_prompt tags plan_enabled llm_args prompt_caching
    tools_list_dictionary mcp_url react_on tool_call_summary tool_retry_attempts reasoning_effort thinking_tokens
    think_tool reasoning_enabled persistent_memory messages img imgs n correct_answer middleware response_format
    state_schema context_schema checkpointer debug callbacks goal backstory allow_delegation max_iter max_rpm
    max_execution_time step_callback max_retry_limit guardrail function_calling_llm respect_context_window model_kwargs
    subagents resilience observer output intercept taskboard thread_id max_iterations interrupt_on system headers
    max_workers response_model max_completion_tokens max_output_tokens stop_sequences num_retries max_retries base_model
    organization logprobs logit_bias thinking request_timeout streaming temp functions function_call
    """,
)
"""Arguments of pydantic-ai, openai-agents, langchain, agno, crewai, swarms, cogent and the vendors' clients."""


def error(name: str) -> str:
    with pytest.raises(UnsupportedSetting) as raised:
        Agent(model="offline", **{name: "x"})  # type: ignore[call-overload]
    return str(raised.value)


@pytest.mark.parametrize("name", FOREIGN)
def test_names_that_only_look_similar_are_not_suggested(name: str) -> None:
    said = error(name)
    assert "Did you mean" not in said
    assert (f"Write {ARGUMENTS[name]}." if name in ARGUMENTS else "go into extra={…}.") in said


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("max_turns", "max_steps="),
        ("max_workers", "max_concurrency="),
        ("system", "instructions="),
        ("headers", "Model(name, headers="),
        ("deps", "context="),
        ("memory", "thread="),
        ("response_model", "output_type="),
        ("img", "Image("),
    ],
)
def test_names_of_other_libraries_are_translated(name: str, ours: str) -> None:
    for given_to in (
        lambda **wrong: Model("offline", **wrong) if name != "headers" else Agent(**wrong),
        lambda **wrong: Agent(model="offline", **wrong),
        lambda **wrong: Agent(model="offline").run("q", **wrong),
        lambda **wrong: Agent(model="offline").llm.stream("q", **wrong).result_sync(),
        lambda **wrong: ConcurrentWorkflow([Agent(model="offline")], **wrong),
        lambda **wrong: SequentialWorkflow([Agent(model="offline")]).run("q", **wrong),
    ):
        with pytest.raises(UnsupportedSetting) as raised:
            given_to(**{name: 1})
        assert ours in raised.value.hint
        assert raised.value.hint == argument_hint(name)


def test_a_slip_of_the_finger_is_not_taken_for_a_providers_field() -> None:
    with pytest.raises(UnsupportedSetting, match=r"Did you mean thread=\?$"):
        Agent(model="offline").run("q", thred=1)  # type: ignore[call-overload]


def test_what_the_agent_takes_in_two_spellings_a_run_takes_in_none() -> None:
    with pytest.raises(UnsupportedSetting, match=r"llm_base_url=. It belongs to the agent"):
        Agent(model="offline").run("q", llm_base_url="x")  # type: ignore[call-overload]
    with pytest.raises(UnsupportedSetting, match=r"llm_base_url=. Write Agent\(base_url=…\)"):
        Model("offline", llm_base_url="x")  # type: ignore[call-arg]


@given(st.sampled_from(sorted(name for name in AGENT if len(name) > 6)), st.data())
def test_a_typo_is_corrected(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 2))
    slip = data.draw(
        st.sampled_from(
            [
                name[:at] + name[at + 1 :],
                name[:at] + name[at] + name[at:],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
                name[:at] + "x" + name[at + 1 :],
            ]
        )
    )
    if slip not in AGENT:
        assert f"Did you mean {name}=?" in str(unknown(slip, AGENT)) or slip in ARGUMENTS


# --- names


def test_the_map_of_workflows_and_the_table_have_the_same_names() -> None:
    page = (ROOT / "docs" / "workflow-map.md").read_text("utf-8")
    table = page[page.index("| class |") : page.index("## One way")]
    named = {
        name.strip() for row in table.splitlines()[2:] if row.startswith("|") for name in row.split("|")[1].split(",")
    }
    there = {name for name, hint in NAMES.items() if "docs/workflow-map.md" in hint}
    assert there == named - {*headwater.__all__}


@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_name_is_answered_with_the_name_here(name: str) -> None:
    place: dict[str, Any] = {}
    with pytest.raises(ImportError) as imported:
        exec(f"from headwater import {name}", place)
    with pytest.raises(AttributeError) as asked:
        getattr(headwater, name)
    assert str(imported.value) == str(asked.value) == f"headwater has no {name!r}. Here it is {NAMES[name]}."
    assert name_hint(name) == f"Here it is {NAMES[name]}."
    assert not hasattr(headwater, name)
    assert name not in dir(headwater)


@pytest.mark.parametrize(
    ("name", "module"), [("ScriptedModel", "testing"), ("TextDelta", "events"), ("RunEnded", "errors")]
)
def test_a_name_of_another_public_module_is_answered_with_its_import(name: str, module: str) -> None:
    with pytest.raises(ImportError, match=f"Write `from headwater.{module} import {name}`"):
        exec(f"from headwater import {name}")


def test_other_names_are_missing_as_in_every_package() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Nonesuch' from 'headwater'"):
        exec("from headwater import Nonesuch")
    with pytest.raises(AttributeError, match="module 'headwater' has no attribute 'Nonesuch'"):
        headwater.Nonesuch  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(headwater, "__wrapped__")
    place: dict[str, Any] = {}
    exec("from headwater import tools, runtime", place)
    assert place["tools"] is sys.modules["headwater.tools"]


def test_the_table_costs_nothing_unless_used() -> None:
    program = (
        "import sys; from headwater import Agent; Agent(model='offline', temperature=1).run('Go.');"
        "print('headwater.agents.spellings' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
