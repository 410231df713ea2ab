"""`python -m agent` is `vedette`."""

from agent.cli import main

if __name__ == "__main__":
    main()
