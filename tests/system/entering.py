"""`python -m tests.system.entering PID run …`: `vedette run …` in the network and mounts of a process."""

import os
import sys

if __name__ == "__main__":
    inside, arguments = sys.argv[1], sys.argv[2:]
    command = ["nsenter", f"--target={inside}", "--net", "--mount", f"--wdns={os.getcwd()}", "--"]  # noqa: PTH109
    os.execvp(command[0], [*command, sys.executable, "-m", "agent", *arguments])  # noqa: S606  in its place
