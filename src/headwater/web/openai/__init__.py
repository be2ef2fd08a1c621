"""OpenAI's two APIs for text: what their clients ask, and what a run looks like to them."""
