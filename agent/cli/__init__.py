"""The command `vedette`.

`main` imports the rest only when called: child processes import the script that started the agent, and
need nothing of it.
"""


def main() -> None:
    """The console script."""
    from agent.cli.root import root  # noqa: PLC0415  see above

    root()
