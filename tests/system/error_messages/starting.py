"""A model, a key, and the arguments of an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater import Agent, Model, Thread, Timeouts
from tests.system.error_messages.cases import Here, case, offline


@case("No model is named")
def no_model(here: Here) -> None:
    """Pass `model=`, or set the variable `HEADWATER_MODEL`. [Providers](providers.md) has the names and the variables
    of the keys.
    """
    Agent().run("Hello")


@case("No model is named, though a key is there")
def no_model_but_a_key(here: Here) -> None:
    """Pass `model=`, or set `HEADWATER_MODEL`. A model is never chosen by the keys that happen to be set."""
    here.setenv("ANTHROPIC_API_KEY", "sk-ant-newcomer")
    Agent().run("Hello")


@case("The model's name leads nowhere")
def unknown_model(here: Here) -> None:
    """Write the provider before the model, as in `openai/gpt-5.4`. Names that begin with `gpt-`, `o3`, `claude-` or
    `gemini-` do without.
    """
    Agent(model="gtp-5.4").run("Hello")


@case("The provider's name is misspelled")
def unknown_provider(here: Here) -> None:
    """Correct what stands before the slash."""
    Agent(model="antropic/claude-sonnet-5").run("Hello")


@case("An open model without a provider")
def open_model(here: Here) -> None:
    """Many serve an open model: say which of them by writing it before the model's name."""
    Agent(model="llama3.2").run("Hello")


@case("A provider without a model")
def only_a_provider(here: Here) -> None:
    """Write the model's name behind the slash."""
    Agent(model="openai/").run("Hello")


@case("The model is no name")
def model_of_a_wrong_type(here: Here) -> None:
    """`model=` takes a name, a `Model`, or anything that can be asked, such as a scripted model."""
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
    """Put your own key where the example had none; the message says where that was read."""
    here.setenv("OPENAI_API_KEY", "<your key>")
    Agent(model="gpt-5.4").run("Hello")


@case("A key with a line break")
def line_break(here: Here) -> None:
    """Take the line break off, as with `Path("key.txt").read_text().strip()`."""
    Agent(model="gpt-5.4", api_key="sk-newcomer-0123456789\n").run("Hello")


@case("A key with a space")
def space(here: Here) -> None:
    """Give the key alone: the word `Bearer` is added where it belongs."""
    here.setenv("OPENAI_API_KEY", "Bearer sk-newcomer-0123456789")
    Agent(model="gpt-5.4").run("Hello")


@case("A key that is no string")
def key_of_a_wrong_type(here: Here) -> None:
    """Read the file yourself and pass what stands in it."""
    wrong: Any = Path("key.txt")
    Agent(model="gpt-5.4", api_key=wrong)


@case("A base URL without http://")
def base_url(here: Here) -> None:
    """Write the whole address. It is not repeated here, for a key is soon pasted where an address belongs."""
    Agent(model="llama3.2", base_url="localhost:8000").run("Hello")


@case("A password in the base URL")
def base_url_with_a_password(here: Here) -> None:
    """Pass it as `api_key=`, or as a header of a `Model`: an address ends up in logs."""
    Agent(model="llama3.2", base_url="https://me:newcomer@example.com/v1").run("Hello")


@case("A misspelled argument")
def misspelled(here: Here) -> None:
    """Correct the name. What a provider has and this library does not know goes into `extra={…}`."""
    offline(instruction="Be brief.")


@case("A misspelled setting")
def misspelled_setting(here: Here) -> None:
    """Correct the name: settings and arguments are looked up together."""
    offline(temprature=0.5)


@case("An argument of another library")
def of_another_library(here: Here) -> None:
    """Use the name here. What other libraries call the arguments of agents, models, runs and workflows is known."""
    offline(max_turns=3)


@case("A class of another library")
def class_of_another_library(here: Here) -> None:
    """[The map](workflow-map.md) has a recipe for each of these classes, with an example."""
    exec("from headwater import GroupChat")


@case("A setting of the wrong type")
def setting_of_a_wrong_type(here: Here) -> None:
    """Give a value of the kind that it names."""
    offline(temperature="hot")


@case("A setting that the provider does not have")
def unsupported(here: Here) -> None:
    """Leave it out. A setting is never dropped in silence, so no request was sent."""
    Agent(model="anthropic/claude-sonnet-5", api_key="sk-ant-newcomer", seed=7).run("Hello")


@case("An argument of the agent given to run")
def of_the_agent(here: Here) -> None:
    """Give it where the agent is made. What a run takes is in [agents](agents.md#for-one-run)."""
    wrong: dict[str, Any] = {"handoffs": []}
    offline().run("Hello", **wrong)


@case("An argument in both spellings")
def both_spellings(here: Here) -> None:
    """Choose one: `model_name` is another spelling of `model`. [The others](agents.md) stand beside their arguments."""
    Agent(model="offline", model_name="offline")


@case("A count that is none")
def count(here: Here) -> None:
    """Give a number of at least 1. There is no endless loop, for each one costs a request."""
    offline(max_loops=0)


@case("Seconds instead of timeouts")
def seconds(here: Here) -> None:
    """Say which clock: `Timeouts(run=30)` is the whole run, [the others](failures.md#timeouts) are for one request."""
    offline(timeouts=30)


@case("A clock that cannot run")
def clock(here: Here) -> None:
    """Write None to do without a clock."""
    Timeouts(run=0)


@case("A fallback that is no list")
def fallback(here: Here) -> None:
    """Models are asked in order, so there is a list of them, also of one."""
    offline(fallback="ollama/llama3.2")


@case("A callback that was called already")
def callback(here: Here) -> None:
    """Pass the function itself: `streaming_callback=show`, not `streaming_callback=show()`."""
    offline(streaming_callback="done")


@case("Instructions that are no text")
def instructions(here: Here) -> None:
    """Join several lines into one string."""
    offline(instructions=["Be brief."])


@case("A context that was forgotten")
def forgotten_context(here: Here) -> None:
    """The agent, its instructions or a tool [declares a context](agents.md#a-typed-context). Give it to each run."""
    offline(name="pilot", context_type=Path).run("Hello")


@case("An output type that cannot be described")
def output_type(here: Here) -> None:
    """Use a type that pydantic knows, such as a dataclass or a model of its own."""
    offline(output_type=type("Harbour", (), {"__module__": "harbours"}))


@case("An output type that is a word")
def output_type_as_a_word(here: Here) -> None:
    """Leave it out where a word of another library chose the result's shape: a type makes the model answer in it."""
    offline(output_type="str-all-except-first")


@case("No task")
def no_task(here: Here) -> None:
    """The task comes first; `task=` and `message=` are its names."""
    nothing: dict[str, Any] = {}
    offline().run(**nothing)


@case("A task that is no text")
def task(here: Here) -> None:
    """Look where the task comes from: a function that returns nothing gives None."""
    wrong: Any = None
    offline().run(wrong)


@case("A task of dicts")
def task_of_dicts(here: Here) -> None:
    """Messages are values here: `Message.user("…")`, `Message.assistant("…")`, `Message.system("…")`."""
    wrong: Any = [{"role": "user", "content": "Hello"}]
    offline().run(wrong)


@case("History of dicts")
def history_of_dicts(here: Here) -> None:
    """Write `Message.user("…")` and `Message.assistant("…")`, or pass on the `messages` of the response before."""
    wrong: Any = [{"role": "user", "content": "Hello"}]
    offline().run("And then?", history=wrong)


@case("A Response as history")
def history(here: Here) -> None:
    """A response is the text of the answer; the conversation is in its `messages`."""
    agent = offline()
    wrong: Any = agent.run("Hello")
    agent.run("And then?", history=wrong)


@case("History and a thread")
def history_and_thread(here: Here) -> None:
    """A thread remembers by itself, so `history=` is left out beside it."""
    offline().run("And then?", history=[], thread=Thread())


@case("A thread by its name")
def thread(here: Here) -> None:
    """Make one `Thread()` a conversation and pass the same one each time."""
    wrong: Any = "monday"
    offline().run("And then?", thread=wrong)


@case("Two runs in one thread")
def busy(here: Here) -> None:
    """A conversation goes one message after the other: wait for the first run, or use two threads."""
    thread, agent = Thread(), offline()
    with agent.run_stream("Hello", thread=thread) as stream:
        words = iter(stream.text())
        next(words)
        agent.run("And then?", thread=thread)


@case("A header that cannot be sent")
def header(here: Here) -> None:
    """Take line breaks off; the value is not shown, for it may be a key."""
    Agent(model=Model("openai/gpt-5.4", headers={"X-Team": "harbour\n"}))


@case("A key beside a Model")
def key_beside_a_model(here: Here) -> None:
    """Write `Agent(model=Model("…", api_key=…))`."""
    Agent(model=Model("offline"), api_key="sk-newcomer-0123456789")
