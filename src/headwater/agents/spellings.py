"""Names from other libraries, and the names to use instead.

Owns only names, and imports nothing: `headwater` itself looks up unknown names here. A name is listed only if there is
something to write instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ("ACCEPTED", "ARGUMENTS", "METHODS", "NAMES", "argument_hint", "method_hint", "name_hint")

ACCEPTED: Final[Mapping[str, str]] = {
    "agent_name": "name",
    "agent_description": "description",
    "model_name": "model",
    "system_prompt": "instructions",
    "llm_api_key": "api_key",
    "llm_base_url": "base_url",
    "fallback_models": "fallback",
}
"""Second names of an agent's arguments, and the arguments they stand for."""

_TASK: Final = "agent.run(task)"
_HISTORY: Final = 'agent.run(task, history=[Message.user("…"), …])'
_IMAGE: Final = 'agent.run([task, Image(url="https://…")]), or Image(data=…) with the bytes'
_FILE: Final = "agent.run([task, File(data=…)])"
_INSTRUCTIONS: Final = "Agent(instructions=…)"
_MODEL: Final = "Agent(model=…)"
_SETTINGS: Final = "Agent(settings={…})"
_TOOLS: Final = "Agent(tools=[…])"
_AGENTS: Final = "Agent(tools=[agent, …]) for helpers, Agent(handoffs=[agent, …]) to hand over"
_OUTPUT: Final = "Agent(output_type=…)"
_STEPS: Final = "Agent(max_steps=…)"
_CLOCK: Final = "timeouts=Timeouts(run=…), in seconds"
_CONTEXT: Final = "agent.run(task, context=…)"
_CONTEXT_TYPE: Final = "Agent(context_type=…)"
_THREAD: Final = "agent.run(task, thread=thread), with one Thread() for each conversation"
_CALLBACK: Final = "streaming_callback=function for the tokens, on_event=function for everything"
_EVENTS: Final = "on_event=function"
_MEMBERS: Final = "max_concurrency=…, which workflows take"

ARGUMENTS: Final[Mapping[str, str]] = {
    # the task
    "input": _TASK,
    "prompt": f"{_TASK}, and {_INSTRUCTIONS} for instructions that apply to every task",
    "query": _TASK,
    "user_prompt": _TASK,
    "chat_history": _HISTORY,
    "conversation": _HISTORY,
    "message_history": _HISTORY,
    "messages": _HISTORY,
    "image": _IMAGE,
    "images": _IMAGE,
    "img": _IMAGE,
    "imgs": _IMAGE,
    "audio": _FILE,
    "files": _FILE,
    "videos": _FILE,
    # the model and its settings
    "agent_id": "Agent(name=…)",
    "id": "Agent(name=…)",
    "backstory": _INSTRUCTIONS,
    "goal": _INSTRUCTIONS,
    "introduction": _INSTRUCTIONS,
    "role": _INSTRUCTIONS,
    "rules": _INSTRUCTIONS,
    "system": _INSTRUCTIONS,
    "system_message": _INSTRUCTIONS,
    "handoff_description": "Agent(description=…)",
    "base_model": _MODEL,
    "llm": _MODEL,
    "model_id": _MODEL,
    "extra_headers": "Agent(model=Model(name, headers={…}))",
    "headers": "Agent(model=Model(name, headers={…}))",
    "llm_args": _SETTINGS,
    "model_kwargs": _SETTINGS,
    "model_settings": _SETTINGS,
    "temp": "temperature=…",
    "max_completion_tokens": "max_tokens=…",
    "max_new_tokens": "max_tokens=…",
    "max_output_tokens": "max_tokens=…",
    "stop_sequences": "stop=[…]",
    "stopping_token": "stop=[…]",
    "reasoning_effort": 'reasoning="low", "medium" or "high"',
    "reasoning_enabled": "reasoning=True",
    "thinking": "reasoning=True, or reasoning=tokens",
    "thinking_budget": "reasoning=tokens",
    "thinking_tokens": "reasoning=tokens",
    "user_id": "user=…",
    # tools, and other agents
    "function_call": "tool_choice=…",
    "functions": _TOOLS,
    "tool_schema": "Agent(tools=[Tool.from_schema(name, schema, function)])",
    "tools_list_dictionary": "Agent(tools=[Tool.from_schema(name, schema, function)])",
    "toolsets": _TOOLS,
    "sub_agents": _AGENTS,
    "subagents": _AGENTS,
    "tool_retry_attempts": "@tool(retries=…)",
    # the answer's type
    "output": _OUTPUT,
    "output_model": _OUTPUT,
    "output_schema": _OUTPUT,
    "response_format": _OUTPUT,
    "response_model": _OUTPUT,
    "result_type": _OUTPUT,
    "use_json_mode": 'Agent(output_type=…, output_mode="prompted")',
    # limits
    "max_iter": _STEPS,
    "max_iterations": _STEPS,
    "max_turns": _STEPS,
    "recursion_limit": _STEPS,
    "tool_call_limit": _STEPS,
    "usage_limits": f"{_STEPS} for requests, max_tokens=… for tokens",
    "max_concurrency": _MEMBERS,
    "max_parallel": _MEMBERS,
    "max_workers": _MEMBERS,
    "n_workers": _MEMBERS,
    "max_execution_time": _CLOCK,
    "request_timeout": "timeouts=Timeouts(step=…), in seconds",
    "timeout": _CLOCK,
    "tool_timeout": "timeouts=Timeouts(tool=…), in seconds",
    "max_retries": "retries=…",
    "max_retry_limit": "retries=…",
    "num_retries": "retries=…",
    "retry_attempts": "retries=…",
    "fallback_config": "fallback=[model, …]",
    "fallback_model": "fallback=[model, …]",
    "fallback_model_name": "fallback=[model, …]",
    # context and memory
    "context_variables": _CONTEXT,
    "dependencies": _CONTEXT,
    "deps": _CONTEXT,
    "run_context": _CONTEXT,
    "session_state": _CONTEXT,
    "context_schema": _CONTEXT_TYPE,
    "deps_type": _CONTEXT_TYPE,
    "state_schema": _CONTEXT_TYPE,
    "checkpointer": _THREAD,
    "conversation_id": _THREAD,
    "long_term_memory": _THREAD,
    "memory": _THREAD,
    "session": _THREAD,
    "session_id": _THREAD,
    "thread_id": _THREAD,
    # callbacks and output
    "callback": _CALLBACK,
    "callbacks": _CALLBACK,
    "event_stream_handler": _EVENTS,
    "hooks": _EVENTS,
    "observer": _EVENTS,
    "on_token": "streaming_callback=function",
    "step_callback": _EVENTS,
    "stream_callback": "streaming_callback=function",
    "dashboard": "show_dashboard=True, which workflows take",
    "debug": "Agent(verbose=True)",
    "debug_mode": "Agent(verbose=True)",
    "stream_events": "agent.run_stream(task).events()",
    "streaming": "Agent(streaming_on=True) to show the answer live, agent.run_stream(task) to iterate over it",
    # workflows
    "flow": "GraphWorkflow(agents, edges=[(from, to), …])",
    "rearrange_flow": "GraphWorkflow(agents, edges=[(from, to), …])",
    "swarm_type": "SequentialWorkflow, ConcurrentWorkflow or GraphWorkflow: each has a class of its own",
}
"""Arguments of other libraries, and what to write instead."""

_RECIPES: Final[Mapping[str, str]] = {
    "AdvisorSwarm": "an agent with the advisor among its tools",
    "AgentRearrange": "GraphWorkflow, with edges built from the flow's text",
    "BatchedGridWorkflow": "asyncio.gather over agent.run(task)",
    "CouncilAsAJudge": "SequentialWorkflow([ConcurrentWorkflow(judges), chair])",
    "DebateWithJudge": "SequentialWorkflow([ConcurrentWorkflow([pro, con], max_loops=n), judge])",
    "GroupChat": "ConcurrentWorkflow with max_loops, or a route of GraphWorkflow that returns the next speaker",
    "HeavySwarm": "GraphWorkflow: a planner, specialists in parallel, an agent that combines their answers",
    "HierarchicalSwarm": "a director with the workers among its tools",
    "HybridHierarchicalClusterSwarm": "a director with whole workflows among its tools",
    "LLMCouncil": "SequentialWorkflow([ConcurrentWorkflow(members, max_loops=2), chair])",
    "MajorityVoting": "ConcurrentWorkflow of agents with an output_type, and a Counter",
    "MixtureOfAgents": "SequentialWorkflow([ConcurrentWorkflow(agents, max_loops=layers), aggregator])",
    "MultiAgentRouter": "a route of GraphWorkflow, or handoffs",
    "PlannerGeneratorEvaluator": "GraphWorkflow: planner, generator, evaluator, and an edge back",
    "RoundRobinSwarm": "SequentialWorkflow(agents, max_loops=n)",
    "SelfMoASeq": "SequentialWorkflow([ConcurrentWorkflow(agents), aggregator]), with the same model for all",
    "SpreadSheetSwarm": "ConcurrentWorkflow, and csv.writer over results.members",
    "SwarmRearrange": "GraphWorkflow, with edges built from the flow's text",
    "SwarmRouter": "a dict of workflows by name: they all have the same methods",
}
"""Multi-agent classes that docs/workflow-map.md covers, and what to use instead."""

NAMES: Final[Mapping[str, str]] = {
    **{name: f"{recipe}; see {name} in docs/workflow-map.md" for name, recipe in _RECIPES.items()},
    # running
    "AgentExecutor": _TASK,
    "Crew": "SequentialWorkflow or ConcurrentWorkflow",
    "Runner": "agent.run(task), await agent.arun(task) or agent.run_stream(task)",
    "Swarm": "Agent(handoffs=[…]), or one of the workflows",
    "Team": "Agent(tools=[agent, …]), or one of the workflows",
    "Workflow": "SequentialWorkflow, ConcurrentWorkflow or GraphWorkflow",
    "create_agent": "Agent(model=…, tools=[…])",
    "create_react_agent": "Agent(model=…, tools=[…])",
    "run_agents_concurrently": "ConcurrentWorkflow(agents).run(task)",
    "Node": "the agents themselves, by their names",
    "StateGraph": "GraphWorkflow(agents, edges=[(from, to), …])",
    # tools and handoffs
    "BaseTool": "tool, a decorator",
    "FunctionTool": "Tool, or tool, a decorator",
    "Handoff": "Agent(handoffs=[…])",
    "HostedMCPTool": "ProviderTool({…})",
    "ModelRetry": "any exception in a tool: the model is told",
    "RunContext": "ToolContext",
    "RunContextWrapper": "ToolContext",
    "StructuredTool": "Tool.from_schema(name, schema, function)",
    "WebSearchTool": 'ProviderTool({"type": "web_search"})',
    "function_tool": "tool, a decorator",
    "handoff": "Agent(handoffs=[…])",
    # models, messages, conversations
    "AIMessage": 'Message.assistant("…")',
    "BinaryContent": "Image(data=…) or File(data=…)",
    "Conversation": "Thread",
    "FunctionModel": "headwater.testing.ScriptedModel",
    "HumanMessage": 'Message.user("…")',
    "ImageUrl": "Image(url=…)",
    "LLM": "Model",
    "ModelMessage": "Message",
    "ModelSettings": "Settings",
    "SQLiteSession": "Thread",
    "Session": "Thread",
    "SystemMessage": 'Message.system("…")',
    "TestModel": 'headwater.testing.OfflineModel, or model="offline"',
    "init_chat_model": "Model(name)",
    # results
    "AgentRunResult": "Response",
    "RunOutput": "Response",
    "RunResult": "Response",
    "RunResultStreaming": "AgentStream",
    "StreamEvent": "headwater.events.Event",
    "StructuredResult": "Response, whose output is the value",
    # errors
    "AgentRunError": "HeadwaterError",
    "MaxTurnsExceeded": "headwater.errors.MaxStepsReached",
    "UnexpectedModelBehavior": "headwater.errors.ModelMisbehaved",
    "UsageLimitExceeded": "headwater.errors.LimitExceeded",
    "UserError": "headwater.errors.UsageError",
}
"""Names of other libraries, and what to use instead."""


_RUN: Final = "run(task)"
_ARUN: Final = "await agent.arun(task)"
_STREAM: Final = "run_stream(task), for both plain and async loops"
_STREAM_EVENTS: Final = "run_stream(task).events()"

METHODS: Final[Mapping[str, str]] = {
    "invoke": _RUN,
    "kickoff": _RUN,
    "query": _RUN,
    "generate": _RUN,
    "ainvoke": _ARUN,
    "run_async": _ARUN,
    "kickoff_async": _ARUN,
    "akickoff": _ARUN,
    "stream": _STREAM,
    "astream": _STREAM,
    "arun_stream": _STREAM,
    "run_streamed": _STREAM,
    "run_stream_sync": _STREAM,
    "iter": _STREAM_EVENTS,
    "stream_events": _STREAM_EVENTS,
    "astream_events": _STREAM_EVENTS,
    "run_stream_events": _STREAM_EVENTS,
    "batch": "asyncio.gather over arun(task)",
    "abatch": "asyncio.gather over arun(task)",
    "print_response": "Agent(streaming_on=True), then run(task)",
    "aprint_response": "Agent(streaming_on=True), then run(task)",
}
"""Methods of other libraries' agents, and what to write instead."""


def method_hint(name: str) -> str:
    """What to use instead of an agent's method of that name; "" if unknown.

    It ends the sentence before it, because Python itself puts ". Did you mean: …" behind one without a hint.
    """
    ours = METHODS.get(name)
    return f". Use {ours}." if ours else ""


def argument_hint(name: str) -> str:
    """What to write instead of an argument of that name; "" if unknown."""
    ours = ARGUMENTS.get(name)
    if ours is None and (accepted := ACCEPTED.get(name)) is not None:
        ours = f"Agent({accepted}=…)"
    return f"Write {ours}." if ours else ""


def name_hint(name: str) -> str:
    """What to use instead of a class or function of that name; "" if unknown."""
    ours = NAMES.get(name)
    return f"Here it is {ours}." if ours else ""
