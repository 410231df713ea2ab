"""Commands become desired state: each has exactly one reply, and a refused one has changed nothing.

Invariant: what is wanted is a value; commands replace it in one transaction, and nobody here starts a thing.
"""
