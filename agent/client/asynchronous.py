"""The client for asyncio: the same, and the loop never waits."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from agent.client.observed import Happening
from agent.client.synchronous import Client, Snapshot
from agent.contract.commands import Reply
from agent.contract.status import Payload

_SLICE_S = 0.2


class AsyncClient:
    """As `Client`, which it is made of: `AsyncClient(Client("mqtt://10.0.0.2"))`.

    Each call waits in a thread of the loop's pool. Who cancels a call gets control back at once; its thread
    ends with the reply, or when its time is over.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, device: str, verb: str, /, *, wait_s: float = 10.0, **args: Any) -> Payload:  # noqa: ANN401
        """See `Client.call`."""
        return await asyncio.to_thread(self._client.call, device, verb, wait_s=wait_s, **args)

    async def call_all(
        self,
        verb: str,
        /,
        *,
        group: str | None = None,
        wait_s: float = 10.0,
        **args: Any,  # noqa: ANN401
    ) -> list[Reply]:
        """See `Client.call_all`; all replies, when the time is over."""

        def ask() -> list[Reply]:
            return list(self._client.call_all(verb, group=group, wait_s=wait_s, **args))

        return await asyncio.to_thread(ask)

    async def snapshot(self, device: str, stream: str, **options: Any) -> Snapshot:  # noqa: ANN401
        """See `Client.snapshot`."""
        return await asyncio.to_thread(self._client.snapshot, device, stream, **options)

    async def watch(
        self, device: str | None = None, *, stream: str | None = None, algorithm: str | None = None
    ) -> AsyncGenerator[Happening, None]:
        """As `Client.watch`, connected while it is iterated.

        Nothing is read while nobody takes: it waits in the broker and the socket.
        Leave it by `async with contextlib.aclosing(...)`, or cancel who iterates it.
        """
        watch = self._client.watch(device, stream=stream, algorithm=algorithm)
        try:
            await asyncio.to_thread(watch.__enter__)
            while True:
                for happening in await asyncio.to_thread(watch.receive, _SLICE_S):
                    yield happening
        finally:
            # In a thread, for one that still receives holds it for a moment.
            await asyncio.shield(asyncio.to_thread(watch.close))
