"""Vedette for programs: ask devices, and follow what they find (docs/client.md).

    from agent.client import Client

    client = Client("mqtt://10.0.0.2:1883")
    client.call("gate-7", "stream.pause", id="door")
    for heard in client.watch("gate-7"):
        print(heard)

`AsyncClient` does the same in asyncio.
"""

from agent.client.asking import NoReplyError, Signer, Whom
from agent.client.asynchronous import AsyncClient
from agent.client.observed import Dropped, Happening, Measured, Missing, Notice
from agent.client.synchronous import Client, RefusedError, Snapshot
from agent.client.watching import Watch
from agent.contract.codec import decode_data
from agent.contract.commands import Reply
from agent.contract.result import Result
from agent.control.signatures import SigningKey

__all__ = [
    "AsyncClient",
    "Client",
    "Dropped",
    "Happening",
    "Measured",
    "Missing",
    "NoReplyError",
    "Notice",
    "RefusedError",
    "Reply",
    "Result",
    "Signer",
    "SigningKey",
    "Snapshot",
    "Watch",
    "Whom",
    "decode_data",
]
