"""A model, a key, and the arguments of an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater import Agent, Budget, Model, Thread, Timeouts
from tests.system.error_messages.cases import Here, case, offline


@case("No model is named")
def no_model(here: Here) -> None:
    """Pass `model=`, or set the variable `HEADWATER_MODEL`. [Providers](providers.md) lists the names and the
    variables of the keys.
    """
    Agent().run("Hello")


@case("No model is named, though a key is there")
def no_model_but_a_key(here: Here) -> None:
    """Pass `model=`, or set `HEADWATER_MODEL`. A model is never chosen by the keys that happen to be set."""
    here.setenv("ANTHROPIC_API_KEY", "sk-ant-newcomer")
    Agent().run("Hello")


@case("An empty task")
def empty_task(here: Here) -> None:
    """Check where the task comes from. To continue a conversation without a new task, pass its messages: `[]` and
    `history=`.
    """
    offline().run("")


@case("An unknown model name")
def unknown_model(here: Here) -> None:
    """Write the provider before the model, as in `openai/gpt-5.4`. Names that begin with `gpt-`, `o3`, `claude-` or
    `gemini-` do not need it.
    """
    Agent(model="gtp-5.4").run("Hello")


@case("The provider's name is misspelled")
def unknown_provider(here: Here) -> None:
    """Correct the part before the slash."""
    Agent(model="antropic/claude-sonnet-5").run("Hello")


@case("An open model without a provider")
def open_model(here: Here) -> None:
    """Several providers serve open models: write the provider before the model's name."""
    Agent(model="llama3.2").run("Hello")


@case("A provider without a model")
def only_a_provider(here: Here) -> None:
    """Write the model's name after the slash."""
    Agent(model="openai/").run("Hello")


@case("A model of the wrong type")
def model_of_a_wrong_type(here: Here) -> None:
    """`model=` takes a name, a `Model`, or a backend such as a scripted model."""
    wrong: Any = 5
    Agent(model=wrong)


@case("The model is given by position")
def positional(here: Here) -> None:
    """All of an agent's arguments have names: write `Agent(model="gpt-5.4")`."""
    Agent("gpt-5.4")  # type: ignore[call-overload]


@case("No key")
def no_key(here: Here) -> None:
    """Set the variable before you start the program, or pass `api_key=`. A local server needs none."""
    Agent(model="gpt-5.4").run("Hello")


@case("A placeholder instead of a key")
def placeholder(here: Here) -> None:
    """Replace the placeholder with your key; the message says where it was read."""
    here.setenv("OPENAI_API_KEY", "<your key>")
    Agent(model="gpt-5.4").run("Hello")


@case("A key with a line break")
def line_break(here: Here) -> None:
    """Remove the line break, for example with `Path("key.txt").read_text().strip()`."""
    Agent(model="gpt-5.4", api_key="sk-newcomer-0123456789\n").run("Hello")


@case("A key with a space")
def space(here: Here) -> None:
    """Give only the key: `Bearer` is added automatically."""
    here.setenv("OPENAI_API_KEY", "Bearer sk-newcomer-0123456789")
    Agent(model="gpt-5.4").run("Hello")


@case("A key of the wrong type")
def key_of_a_wrong_type(here: Here) -> None:
    """Read the file yourself and pass its content."""
    wrong: Any = Path("key.txt")
    Agent(model="gpt-5.4", api_key=wrong)


@case("A base URL without http://")
def base_url(here: Here) -> None:
    """Write the complete URL. The message does not repeat it, in case a key was pasted by mistake."""
    Agent(model="llama3.2", base_url="localhost:8000").run("Hello")


@case("A password in the base URL")
def base_url_with_a_password(here: Here) -> None:
    """Pass it as `api_key=`, or as a header of a `Model`, because URLs end up in logs."""
    Agent(model="llama3.2", base_url="https://me:newcomer@example.com/v1").run("Hello")


@case("A misspelled argument")
def misspelled(here: Here) -> None:
    """Correct the name. Pass fields that only one provider has with `extra={…}`."""
    offline(instruction="Be brief.")


@case("A misspelled setting")
def misspelled_setting(here: Here) -> None:
    """Correct the name. The message suggests arguments and settings."""
    offline(temprature=0.5)


@case("An argument of another library")
def of_another_library(here: Here) -> None:
    """Use the name in the message. The names in other libraries are known for agents, models, runs and workflows."""
    offline(max_turns=3)


@case("A class of another library")
def class_of_another_library(here: Here) -> None:
    """The [workflow map](workflow-map.md) has a recipe for each of these classes, with an example."""
    exec("from headwater import GroupChat")


@case("A setting of the wrong type")
def setting_of_a_wrong_type(here: Here) -> None:
    """Pass a value of the type in the message."""
    offline(temperature="hot")


@case("A setting that the provider does not have")
def unsupported(here: Here) -> None:
    """Remove the setting. Settings are never silently ignored, so no request was sent."""
    Agent(model="anthropic/claude-sonnet-5", api_key="sk-ant-newcomer", seed=7).run("Hello")


@case("An argument of the agent given to run")
def of_the_agent(here: Here) -> None:
    """Pass it when you create the agent. See [agents](agents.md#for-one-run) for the options of a run."""
    wrong: dict[str, Any] = {"handoffs": []}
    offline().run("Hello", **wrong)


@case("An argument in both spellings")
def both_spellings(here: Here) -> None:
    """Pass only one: `model_name` is another name of `model`. See [the list](agents.md#names-from-other-libraries)."""
    Agent(model="offline", model_name="offline")


@case("A count below 1")
def count(here: Here) -> None:
    """Pass a number of at least 1. There is no endless loop, because each loop costs a request."""
    offline(max_loops=0)


@case("Seconds instead of timeouts")
def seconds(here: Here) -> None:
    """Say which timeout: `Timeouts(run=30)` limits the whole run, [the others](failures.md#timeouts) one request."""
    offline(timeouts=30)


@case("A timeout of 0")
def clock(here: Here) -> None:
    """Pass None for no timeout."""
    Timeouts(run=0)


@case("A fallback that is not a list")
def fallback(here: Here) -> None:
    """Pass a list, even for one model. The models are used in order."""
    offline(fallback="ollama/llama3.2")


@case("A callback that was called already")
def callback(here: Here) -> None:
    """Pass the function itself: `streaming_callback=show`, not `streaming_callback=show()`."""
    offline(streaming_callback="done")


@case("Instructions that are not a string")
def instructions(here: Here) -> None:
    """Join several lines into one string."""
    offline(instructions=["Be brief."])


@case("A context that was forgotten")
def forgotten_context(here: Here) -> None:
    """The agent, its instructions or a tool [declares a context](agents.md#a-typed-context). Pass it to each run."""
    offline(name="pilot", context_type=Path).run("Hello")


@case("An output type that cannot be described")
def output_type(here: Here) -> None:
    """Use a type that pydantic supports, such as a dataclass or a pydantic model."""
    offline(output_type=type("Harbour", (), {"__module__": "harbours"}))


@case("An output type that is a word")
def output_type_as_a_word(here: Here) -> None:
    """Remove it if it selected a result format in another library. Here `output_type` is the type of the answer."""
    offline(output_type="str-all-except-first")


@case("No task")
def no_task(here: Here) -> None:
    """Pass the task as the first argument, or as `task=` or `message=`."""
    nothing: dict[str, Any] = {}
    offline().run(**nothing)


@case("A task that is not text")
def task(here: Here) -> None:
    """Check where the task comes from: a function without a `return` returns None."""
    wrong: Any = None
    offline().run(wrong)


@case("A task of dicts")
def task_of_dicts(here: Here) -> None:
    """Messages are objects: `Message.user("…")`, `Message.assistant("…")`, `Message.system("…")`."""
    wrong: Any = [{"role": "user", "content": "Hello"}]
    offline().run(wrong)


@case("History of dicts")
def history_of_dicts(here: Here) -> None:
    """Write `Message.user("…")` and `Message.assistant("…")`, or pass the `messages` of the previous response."""
    wrong: Any = [{"role": "user", "content": "Hello"}]
    offline().run("And then?", history=wrong)


@case("A Response as history")
def history(here: Here) -> None:
    """A Response is the text of the answer; its `messages` are the conversation."""
    agent = offline()
    wrong: Any = agent.run("Hello")
    agent.run("And then?", history=wrong)


@case("History and a thread")
def history_and_thread(here: Here) -> None:
    """A thread keeps its own history, so leave `history=` out."""
    offline().run("And then?", history=[], thread=Thread())


@case("A thread by its name")
def thread(here: Here) -> None:
    """Create one `Thread()` per conversation and pass it to each run."""
    wrong: Any = "monday"
    offline().run("And then?", thread=wrong)


@case("Two runs in one thread")
def busy(here: Here) -> None:
    """A thread takes one run at a time: wait for the first run, or use two threads."""
    thread, agent = Thread(), offline()
    with agent.run_stream("Hello", thread=thread) as stream:
        words = iter(stream.text())
        next(words)
        agent.run("And then?", thread=thread)


@case("A header that cannot be sent")
def header(here: Here) -> None:
    """Remove the line break. The value is not shown, because it may be a key."""
    Agent(model=Model("openai/gpt-5.4", headers={"X-Team": "harbour\n"}))


@case("A key beside a Model")
def key_beside_a_model(here: Here) -> None:
    """Write `Agent(model=Model("…", api_key=…))`."""
    Agent(model=Model("offline"), api_key="sk-newcomer-0123456789")


@case("A budget is used up")
def over_budget(here: Here) -> None:
    """`error.response` has the partial answer. A `Budget` object counts for as long as it exists: for a limit on each
    run, pass each run a new one. See [Cost and budgets](cost.md).
    """
    offline(budget=Budget(output_tokens=10)).run("Explain tides")


@case("A limit on the cost without a price")
def no_price(here: Here) -> None:
    """Pass the price of the model as `prices=`. Those of many providers are in `pip install "headwater[cost]"`."""
    offline(budget=Budget(cost=0.05)).run("Explain tides")
