"""One after the other: each agent gets the task and the previous answer, and the text streams as it is generated."""

from headwater import Agent, SequentialWorkflow

workflow = SequentialWorkflow(
    [
        Agent(name="researcher", model="offline", instructions="Collect the facts."),
        Agent(name="writer", model="offline", instructions="Write a paragraph of them."),
    ]
)
stream = workflow.run_stream("Why does the tide rise twice a day?")

speaker = ""
for chunk in stream:
    if chunk.agent != speaker and chunk.content:
        speaker = chunk.agent
        print(f"\n[{speaker}] ", end="")
    print(chunk.content, end="", flush=True)

print("\n")
for name, response in stream.response.members.items():
    print(f"{name}: {response.usage.output_tokens} tokens in {response.duration:.2f} s")
