"""A source becomes wanted frames, in a process of its own.

Invariant: nothing waits for the decoder, and no pixel leaves this process except into a slot that was lent.
"""
