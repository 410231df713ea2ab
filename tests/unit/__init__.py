"""Pure functions, as tables."""
