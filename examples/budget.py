"""A budget for several agents: what they cost, and what happens when it is used up."""

from headwater import Agent, Budget, Price, SequentialWorkflow
from headwater.errors import BudgetExceeded

prices = {"offline": Price(input=2.50, output=15)}  # dollars per million tokens
agents = [Agent(name=name, model="offline") for name in ("planner", "writer", "editor")]
workflow = SequentialWorkflow(agents, prices=prices, print_on=False)

response = workflow.run("Explain tides")
print(f"three agents: {response.usage.output_tokens} tokens, ${response.usage.cost}")

budget = Budget(cost=0.002)
try:
    workflow.run("Explain tides", budget=budget)
except BudgetExceeded as error:
    print(error)
print(f"{budget.spent.requests} requests, ${budget.spent.cost}; left ${budget.left.cost}")
