"""What agent.toml may say: read once, frozen, passed on.

Invariant: ranges live in the types; nobody else reads the file or the environment; no message about a
value shows the value itself where it may be a secret.
"""
