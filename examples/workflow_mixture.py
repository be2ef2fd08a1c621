"""Mixture with an aggregator: several models answer, and one combines their answers."""

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow

workflow = SequentialWorkflow(
    [
        ConcurrentWorkflow(
            [
                Agent(name="brief", model="offline", instructions="Answer in a sentence."),
                Agent(name="thorough", model="offline", instructions="Leave nothing out."),
                Agent(name="sceptic", model="offline", instructions="Doubt everything."),
            ],
            name="proposers",
            on_error="collect",  # two of three are enough
        ),
        Agent(name="aggregator", model="offline", instructions="Make one answer of what the others said."),
    ]
)
for chunk in workflow.run_stream("What makes a spring tide?").select(final_only=True):
    print(chunk.content, end="", flush=True)
print()
