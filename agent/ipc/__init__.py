"""What the agent and its children say to each other, over one pipe each.

Invariant: small messages only, never a pixel, and never pickle: a broken or hostile child can at worst
have its channel closed.
"""
