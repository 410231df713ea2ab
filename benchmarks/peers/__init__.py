"""Programs that do the same job as the agent; each prints a line for every run. Run from the repository."""
