"""AG-UI: runs for CopilotKit, assistant-ui and whatever else speaks it, in versions 1.0 and 0.0.x."""
