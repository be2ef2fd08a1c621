"""What users declare: Agent and Model, and what anything that can be run has in common."""
