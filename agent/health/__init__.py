"""What the agent says of itself: retained status documents.

Invariant: status is derived from what is seen, never kept in a second place; publishing it waits for nobody.
"""
