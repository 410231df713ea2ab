"""Pictures over MQTT: one on request, or some a second for those who look."""

import time
from collections.abc import Callable
from typing import Any

from agent.contract import commands as c
from agent.contract.topics import JPEG_TYPE, Topics
from agent.delivery.messages import Outgoing
from agent.errors import Cause, SourceError
from agent.ipc.messages import SnapshotTaken
from agent.supervise.annotations import Annotations
from agent.supervise.catalog import Catalog
from agent.supervise.previews import Lease, Previews
from agent.supervise.site import Site

_BEFORE_DRAWING = 95  # quality of the JPEG that is drawn on: it is encoded once more


class Pictures:
    """Asks the site for JPEGs, and publishes them."""

    def __init__(self, topics: Topics, site: Site, catalog: Catalog, put: Callable[[Outgoing], None]) -> None:
        self._topics = topics
        self._site = site
        self._put = put
        self._annotations = Annotations(site.algorithms, catalog)
        self._previews = Previews(site.snapshots, site.streams, self._publish)

    async def close(self) -> None:
        """End all previews."""
        await self._previews.close()

    async def take(self, command: c.SnapshotTake, request_id: str) -> c.SnapshotTaken:
        """Publish a picture. Raises SourceError when there is none."""
        run = self._site.streams[command.stream]
        if not run.live:
            raise SourceError(
                run.cause or Cause.TIMEOUT,
                f"stream {command.stream!r} gives no picture: it is {run.state.value}",
            )
        taken = await self._site.snapshots.take(
            command.stream,
            quality=_BEFORE_DRAWING if command.draw else command.quality,
            max_width=command.max_width or 0,
        )
        jpeg, drawn = taken.jpeg, tuple[str, ...]()
        if command.draw:
            jpeg, drawn = await self._annotations.draw(command.stream, jpeg, command.quality)
        topic = self._topics.snapshot(command.stream)
        self._put(
            Outgoing(
                topic=topic,
                payload=jpeg,
                kind="snapshot",
                content_type=JPEG_TYPE,
                user_properties=(("id", request_id), *_properties(taken)),
            )
        )
        return c.SnapshotTaken(topic=topic, bytes=len(jpeg), drawn=drawn, **_facts(taken))

    def preview(self, command: c.PreviewStart | c.PreviewStop) -> c.Previewed:
        """Begin, go on with, or end a viewer's preview. Raises CommandError 429."""
        until: int | None = None
        if isinstance(command, c.PreviewStart):
            until = int((time.time() + command.lease_s) * 1e6)
            lease = Lease(
                fps=command.fps,
                max_width=command.max_width,
                quality=command.quality,
                until_s=time.monotonic() + command.lease_s,
            )
            wish = self._previews.start(command.stream, command.viewer, lease)
        else:
            wish = self._previews.stop(command.stream, command.viewer)
        return c.Previewed(
            topic=self._topics.preview(command.stream),
            viewers=wish.viewers,
            fps=wish.fps,
            max_width=wish.max_width,
            until=until,
        )

    def _publish(self, stream: str, taken: SnapshotTaken) -> None:
        # With QoS 0: a picture that cannot be sent now is of no use later.
        self._put(
            Outgoing(
                topic=self._topics.preview(stream),
                payload=taken.jpeg,
                kind="snapshot",
                qos=0,
                content_type=JPEG_TYPE,
                user_properties=_properties(taken),
            )
        )


def _facts(taken: SnapshotTaken) -> dict[str, Any]:
    return {
        "width": taken.width,
        "height": taken.height,
        "frame": taken.frame,
        "pts": taken.pts_s,
        "time": taken.wall_us,
    }


def _properties(taken: SnapshotTaken) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in _facts(taken).items())
