"""On the path of a Python under test, this folder makes its clock wrong: see tests/clock.py."""
