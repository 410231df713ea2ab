"""Where results go: to the broker in the codec that is configured, and to the sinks."""

from collections.abc import Callable
from typing import Final

from agent.config.settings import Settings
from agent.delivery.messages import Outgoing
from agent.delivery.sink_delivery import Sinks
from agent.supervise.outside import Outcome
from agent.supervise.results import MSGPACK, Sequencer
from agent.worker.args import Codec

_NOT_PUBLISHED: Final = {"json": MSGPACK}  # by codec: what is made for sinks only


class Results:
    """Numbers each result, and hands it to everyone who is to have it; waits for none of them."""

    def __init__(
        self, settings: Settings, sequencer: Sequencer, put: Callable[[Outgoing], None], sinks: Sinks
    ) -> None:
        self._codec = settings.delivery.codec
        self._sequencer = sequencer
        self._put = put
        self._sinks = sinks

    @property
    def codec(self) -> Codec:
        """What workers are to make: sinks need msgpack, whatever the broker gets."""
        return "both" if self._sinks and self._codec == "json" else self._codec

    def send(self, outcome: Outcome) -> None:
        """A result goes out."""
        pair = outcome.window.pair
        for envelope in self._sequencer.envelopes(outcome):
            message = Outgoing(
                topic=envelope.topic,
                payload=envelope.payload,
                kind="result",
                content_type=envelope.content_type,
                epoch=envelope.epoch,
                seq=envelope.seq,
            )
            if envelope.content_type == MSGPACK:
                self._sinks.put(pair.stream, pair.algorithm, message)
            if _NOT_PUBLISHED.get(self._codec) != envelope.content_type:
                self._put(message)
