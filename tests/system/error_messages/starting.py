"""A model, a key, and the arguments of an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headwater import Agent, Model, Thread, Timeouts
from tests.system.error_messages.cases import Here, case, offline


@case("No model is named")
def no_model(here: Here) -> None:
    Agent().run("Hello")


@case("No model is named, though a key is there")
def no_model_but_a_key(here: Here) -> None:
    here.setenv("ANTHROPIC_API_KEY", "sk-ant-newcomer")
    Agent().run("Hello")


@case("The model's name leads nowhere")
def unknown_model(here: Here) -> None:
    Agent(model="gtp-5.4").run("Hello")


@case("The provider's name is misspelled")
def unknown_provider(here: Here) -> None:
    Agent(model="antropic/claude-sonnet-5").run("Hello")


@case("An open model without a provider")
def open_model(here: Here) -> None:
    Agent(model="llama3.2").run("Hello")


@case("A provider without a model")
def only_a_provider(here: Here) -> None:
    Agent(model="openai/").run("Hello")


@case("The model is no name")
def model_of_a_wrong_type(here: Here) -> None:
    wrong: Any = 5
    Agent(model=wrong)


@case("The model is given by position")
def positional(here: Here) -> None:
    Agent("gpt-5.4")  # type: ignore[call-arg]


@case("No key")
def no_key(here: Here) -> None:
    Agent(model="gpt-5.4").run("Hello")


@case("A placeholder instead of a key")
def placeholder(here: Here) -> None:
    here.setenv("OPENAI_API_KEY", "<your key>")
    Agent(model="gpt-5.4").run("Hello")


@case("A key with a line break")
def line_break(here: Here) -> None:
    Agent(model="gpt-5.4", api_key="sk-newcomer-0123456789\n").run("Hello")


@case("A key with a space")
def space(here: Here) -> None:
    here.setenv("OPENAI_API_KEY", "Bearer sk-newcomer-0123456789")
    Agent(model="gpt-5.4").run("Hello")


@case("A key that is no string")
def key_of_a_wrong_type(here: Here) -> None:
    wrong: Any = Path("key.txt")
    Agent(model="gpt-5.4", api_key=wrong)


@case("A base URL without http://")
def base_url(here: Here) -> None:
    Agent(model="llama3.2", base_url="localhost:8000").run("Hello")


@case("A password in the base URL")
def base_url_with_a_password(here: Here) -> None:
    Agent(model="llama3.2", base_url="https://me:newcomer@example.com/v1").run("Hello")


@case("A misspelled argument")
def misspelled(here: Here) -> None:
    offline(instruction="Be brief.")


@case("A misspelled setting")
def misspelled_setting(here: Here) -> None:
    offline(temprature=0.5)


@case("A setting of the wrong type")
def setting_of_a_wrong_type(here: Here) -> None:
    offline(temperature="hot")


@case("A setting that the provider does not have")
def unsupported(here: Here) -> None:
    Agent(model="anthropic/claude-sonnet-5", api_key="sk-ant-newcomer", seed=7).run("Hello")


@case("An argument of the agent given to run")
def of_the_agent(here: Here) -> None:
    wrong: dict[str, Any] = {"tools": []}
    offline().run("Hello", **wrong)


@case("An argument in both spellings")
def both_spellings(here: Here) -> None:
    Agent(model="offline", model_name="offline")


@case("A count that is none")
def count(here: Here) -> None:
    offline(max_loops=0)


@case("Seconds instead of timeouts")
def seconds(here: Here) -> None:
    offline(timeouts=30)


@case("A clock that cannot run")
def clock(here: Here) -> None:
    Timeouts(run=0)


@case("A fallback that is no list")
def fallback(here: Here) -> None:
    offline(fallback="ollama/llama3.2")


@case("A callback that was called already")
def callback(here: Here) -> None:
    offline(streaming_callback="done")


@case("Instructions that are no text")
def instructions(here: Here) -> None:
    offline(instructions=["Be brief."])


@case("An output type that cannot be described")
def output_type(here: Here) -> None:
    offline(output_type=type("Harbour", (), {"__module__": "harbours"}))


@case("A task that is no text")
def task(here: Here) -> None:
    wrong: Any = None
    offline().run(wrong)


@case("A task of dicts")
def task_of_dicts(here: Here) -> None:
    wrong: Any = [{"role": "user", "content": "Hello"}]
    offline().run(wrong)


@case("History of dicts")
def history_of_dicts(here: Here) -> None:
    wrong: Any = [{"role": "user", "content": "Hello"}]
    offline().run("And then?", history=wrong)


@case("A Response as history")
def history(here: Here) -> None:
    agent = offline()
    wrong: Any = agent.run("Hello")
    agent.run("And then?", history=wrong)


@case("History and a thread")
def history_and_thread(here: Here) -> None:
    offline().run("And then?", history=[], thread=Thread())


@case("A thread by its name")
def thread(here: Here) -> None:
    wrong: Any = "monday"
    offline().run("And then?", thread=wrong)


@case("Two runs in one thread")
def busy(here: Here) -> None:
    thread, agent = Thread(), offline()
    with agent.run_stream("Hello", thread=thread) as stream:
        words = iter(stream.text())
        next(words)
        agent.run("And then?", thread=thread)


@case("A header that cannot be sent")
def header(here: Here) -> None:
    Agent(model=Model("openai/gpt-5.4", headers={"X-Team": "harbour\n"}))


@case("A key beside a Model")
def key_beside_a_model(here: Here) -> None:
    Agent(model=Model("offline"), api_key="sk-newcomer-0123456789")
