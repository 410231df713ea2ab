"""A sink that appends every result to a Redis stream (XADD).

Delivery is at least once: after a crash a result may come twice. Its key in `once` says so, and it is left
out then: `(device, epoch, seq)` names a result for ever.
"""

from collections.abc import Sequence
from typing import Any

import redis
from pydantic import Field

from agent.sink import Item, Sink, SinkBusyError

_SEEN_S = 86_400  # a repetition comes within seconds; a day is plenty
_ADD = """
if redis.call('SET', KEYS[2], 1, 'NX', 'EX', ARGV[1]) then
    redis.call(
        'XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*',
        'stream', ARGV[3], 'algorithm', ARGV[4], 'result', ARGV[5]
    )
end
"""


class RedisSink(Sink):
    """Appends results to a stream: fields `stream`, `algorithm`, and `result`, the envelope as JSON."""

    class Params(Sink.Params):
        """What can be set."""

        url: str = Field(description="redis://, rediss:// or unix://; its password as {secret:name}.")
        key: str = Field("vedette:{device}", description="Key of the stream; {device} is the device's id.")
        max_length: int = Field(1_000_000, ge=1, description="About so many results are kept.")

    params: Params

    def open(self) -> None:
        """Connect; fails when nobody answers, and is tried again."""
        self._redis: Any = redis.Redis.from_url(self.params.url, socket_timeout=5, socket_connect_timeout=5)
        self._redis.ping()
        self._add = self._redis.register_script(_ADD)
        self._key = self.params.key.replace("{device}", self.device)

    def send(self, items: Sequence[Item]) -> None:
        """Append a batch; when Redis is loading or full, later."""
        with self._redis.pipeline(transaction=False) as pipe:
            for item in items:
                once = f"{self._key}:{item.epoch}:{item.seq}"
                arguments = [_SEEN_S, self.params.max_length, item.stream, item.algorithm, item.json]
                self._add(keys=[self._key, once], args=arguments, client=pipe)
            try:
                pipe.execute()
            except redis.exceptions.BusyLoadingError as err:
                raise SinkBusyError(f"Redis is loading: {err}", retry_after_s=1) from err

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()
