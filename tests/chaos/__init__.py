"""Chaos: the real agent, a real broker, cameras, rogues of algorithms, and everything that can go wrong."""
