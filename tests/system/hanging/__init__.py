"""`vedette` with a part that a signal makes hang."""
