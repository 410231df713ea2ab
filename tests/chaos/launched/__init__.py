"""The agent under test, started with a witness: `python -m tests.chaos.launched run …`."""
