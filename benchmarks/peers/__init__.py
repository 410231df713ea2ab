"""Programs that the agent is compared with; each prints a line for every frame that it was asked for."""
