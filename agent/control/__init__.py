"""What is to run on this device: the file, changed by commands, and remembered.

A command comes through the gate (`gate`), is checked (`sources`, and whatever the rest of the agent knows),
applied by a pure step (`apply`), and stored together with its one reply (`store`); `control` is the order
of these. `desired` says which statement rules when the file and a command differ.
Invariant: nothing here starts or stops anything; a command that is refused has changed nothing.
"""
