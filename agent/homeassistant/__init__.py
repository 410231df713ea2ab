"""What Home Assistant is told: this device, its streams, and what is found in them.

Invariant: nothing is announced that is not cleared again, also by a later agent that has it turned off.
"""
