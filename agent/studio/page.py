"""The page: Streamlit runs this file as a program for each viewer, and again at each change."""

if __name__ == "__main__":  # not for a child process, which imports the program that started it
    import sys

    from agent.studio.board import board
    from agent.studio.serve import Setup

    # Streamlit puts our folder before all others, where `form` and `history` may be somebody else's.
    sys.path[:] = [path for path in sys.path if path != __file__.rpartition("/")[0]]
    board(Setup.from_json(sys.argv[1]))
