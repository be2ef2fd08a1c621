"""Agents of the OpenAI Agents SDK that hand over to each other. A local server stands in for OpenAI."""

from openai import AsyncOpenAI

from agents import Agent, OpenAIResponsesModel, set_tracing_disabled
from headwater.adapters import OpenAIAgents
from headwater.testing import Call, ProviderSimulator

set_tracing_disabled(True)

with ProviderSimulator([[Call("transfer_to_pilot")], "At 06:12."]) as server:
    model = OpenAIResponsesModel("gpt-5.4", AsyncOpenAI(base_url=server.url("openai-responses"), api_key="none"))
    pilot = Agent(name="pilot", model=model)
    desk = OpenAIAgents(Agent(name="desk", model=model, handoffs=[pilot]))

    response = desk.run("When can we sail from Brest?")
    print(f"{response.agent}: {response}")
