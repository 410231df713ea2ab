"""The body of a sink's process: one batch after the other, each with its answer."""

import socket
from collections.abc import Callable

from agent import log
from agent.config.secret import HIDDEN, redact_url
from agent.errors import ChannelClosedError, SinkBusyError
from agent.ipc.channel import Channel
from agent.ipc.child import WORKER, become_child, limit_memory
from agent.ipc.foreign import Raised, call_foreign
from agent.ipc.sinking import Deliver, Delivered, Sending, SinkItem, SinkNotOpened, SinkOpened
from agent.sink import kinds
from agent.sink.args import SinkArgs
from agent.sink.base import Item, Sink
from agent.sink.batch import hand_over, in_words

_log = log.get_logger("sink")


def main(sock: socket.socket, args: SinkArgs, log_settings: tuple[str, log.Style]) -> None:
    """Deliver batches until the agent closes its end."""
    become_child(f"vd:{args.sink}", sacrifice=WORKER)
    limit_memory(args.memory_max)
    level, style = log_settings
    log.configure(level=level, style=style, redact=masking(args.hidden), context={"sink": args.sink})
    log.keep_recent(log.RECENT_BYTES // 4)
    log.adopt_process(prints=True)
    channel = Channel(sock)
    try:
        sink = _opened(channel, args)
        if sink is not None:
            _serve(channel, sink)
    except ChannelClosedError:
        return  # the agent is gone, or wants no more


def masking(hidden: tuple[str, ...]) -> Callable[[str], str]:
    """Masks these texts, and passwords in URLs."""

    def redact(text: str) -> str:
        for value in hidden:
            text = text.replace(value, HIDDEN)
        return redact_url(text)

    return redact


def _opened(channel: Channel, args: SinkArgs) -> Sink | None:
    """The sink, open; None when the agent was told why there is none."""
    member = call_foreign(lambda: kinds.load(args.kind))
    if isinstance(member, Raised):
        channel.send(SinkNotOpened(in_words(kinds.words(member.error)), usable=False))
        return None
    wrong = call_foreign(lambda: kinds.problems(member, args.params))
    if wrong:
        text = wrong.error if isinstance(wrong, Raised) else "; ".join(wrong)
        channel.send(SinkNotOpened(in_words(text), usable=False))
        return None

    def make() -> Sink | str:
        sink = member(args.sink, args.device, args.params)
        try:
            sink.open()
        except SinkBusyError as why:
            return in_words(why)
        return sink

    made = call_foreign(make)
    if isinstance(made, str):
        channel.send(SinkNotOpened(made, usable=True))
        return None
    if isinstance(made, Raised):
        _log.warning("sink.not_opened", error=made.error, traceback=made.trace)
        channel.send(SinkNotOpened(in_words(made.error), usable=True))
        return None
    channel.send(SinkOpened())
    return made


def _serve(channel: Channel, sink: Sink) -> None:
    last_error = ""
    try:
        while True:
            for message, _ in channel.receive(block=True):
                if isinstance(message, Deliver):
                    last_error = _deliver(channel, sink, message, last_error)
    finally:
        closed = call_foreign(sink.close)
        if isinstance(closed, Raised):
            _log.warning("sink.not_closed", error=closed.error, traceback=closed.trace)


def _deliver(channel: Channel, sink: Sink, message: Deliver, last_error: str) -> str:
    """Deliver one batch and answer; the error, which is told in full only when it is another one."""
    items = [_item(item) for item in message.items]
    outcome = hand_over(sink.send, items, lambda: channel.send(Sending(message.ticket)))
    if outcome.trace and outcome.error != last_error:
        _log.warning("sink.raised", error=outcome.error, traceback=outcome.trace)
    channel.send(
        Delivered(
            ticket=message.ticket,
            settled=outcome.settled,
            refused=outcome.refused,
            error=outcome.error,
            retry_after_s=outcome.retry_after_s,
        )
    )
    return outcome.error


def _item(item: SinkItem) -> Item:
    return Item(
        epoch=item.epoch,
        seq=item.seq,
        stream=item.stream,
        algorithm=item.algorithm,
        replay=item.replay,
        payload=item.payload,
    )
