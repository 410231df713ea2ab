"""The whole agent, started as a person would start it, with faults on purpose."""
