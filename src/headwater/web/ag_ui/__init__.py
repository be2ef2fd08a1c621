"""AG-UI, versions 1.0 and 0.0.x: runs for CopilotKit, assistant-ui and other clients of the protocol."""
