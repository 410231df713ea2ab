"""The thread of one sink: one loop that waits for new results, for the sink's process and for the clock."""

import random
import selectors
import time
from collections.abc import Callable
from contextlib import ExitStack

from agent import log
from agent.backoff import Backoff
from agent.config.sinks import SinkConfig
from agent.contract.status import SinkState
from agent.delivery.backlog import Entry
from agent.delivery.desk import Desk
from agent.delivery.saver import Saver
from agent.delivery.sink_batch import SinkBatch
from agent.delivery.sink_link import Phase, SinkLink, Starter
from agent.delivery.sink_state import SinkProgress
from agent.delivery.spool import Spool
from agent.ipc.message import Message
from agent.ipc.sinking import Deliver, Delivered, Gone, Sending, SinkItem, SinkNotOpened, SinkOpened

IDLE_S = 2.0  # the loop turns at least that often: proof of life for the watchdog
OPEN_S = 60.0  # for importing the kind and `open()`, or `timeout_s` when that is more
LAZY_S = 1.0  # beyond `batch_wait_s`: what is not delivered by then is written, with durability "lazy"
REFUSED_S = 10.0  # until a sink that cannot run as it is configured is tried again
MAX_RETRY_AFTER_S = 300.0  # no sink may ask for more
MAX_WORDS = 1_000  # characters of what a sink says, when it is shown; cut after secrets are masked

_log = log.get_logger("sink")


class SinkCourier:
    """What the thread of a sink knows; nothing here is touched by another thread, but `turned_s` is read.

    Results go in the order in which they were made: a batch that failed is tried again before anything
    else (see `SinkBatch`), what waits on disk comes before what waits in memory.
    """

    def __init__(
        self,
        config: SinkConfig,
        desk: Desk,
        spool: Spool,
        starter: Starter,
        progress: SinkProgress,
        *,
        flush_s: float,
        redact: Callable[[str], str],
    ) -> None:
        self.turned_s = time.monotonic()
        self._config = config
        self._desk = desk
        self._spool = spool
        self._starter = starter
        self._progress = progress
        self._flush_s = flush_s
        self._redact = redact
        self._batch = SinkBatch(config.batch_max)
        self._ticket = 0
        self._sendings = 0  # how often `send()` was called with this ticket
        self._flowing = False  # the last batch went well
        self._deadline_s = 0.0  # for the process to open, or to answer
        self._retry_s = 0.0
        self._backoff = Backoff()
        self._opened_s: float | None = None  # when this process was open
        self._unusable = False
        self._flush_until_s: float | None = None
        self._random = random.Random()  # noqa: S311  jitter

    def run(self) -> None:
        """Until the desk is closing."""
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(self._desk.wake_fd, selectors.EVENT_READ)
            link = SinkLink(self._starter, selector, self._desk.wake)
            stack.callback(link.hang_up)
            saver = Saver(
                self._desk,
                stack.enter_context(self._spool),
                self._config.durability,
                lazy_s=self._config.batch_wait_s + LAZY_S,
            )
            while not (self._desk.closing and self._may_end(link, saver)):
                selector.select(max(0.0, self._due_s(link, saver) - time.monotonic()))
                self.turned_s = time.monotonic()
                self._desk.woken()
                self._turn(link, saver, self.turned_s)
            self._pause()
            saver.end()

    # One turn of the loop.

    def _turn(self, link: SinkLink, saver: Saver, now: float) -> None:
        for message in link.receive():  # once: a process that talks without pause must not hold up the loop
            self._heard(link, saver, message, now)
        gone = link.take_gone()
        if gone is not None:
            self._lost(link, saver, gone, now)
        saver.turn(now, linked=self._flowing)
        match link.phase:
            case Phase.ABSENT if now >= self._retry_s and not self._desk.closing:
                link.start()
                self._deadline_s = now + max(OPEN_S, self._config.timeout_s)
            case (Phase.STARTING | Phase.BUSY) as phase if now >= self._deadline_s:
                limit = "timeout_s" if phase is Phase.BUSY else "its time to open"
                link.kill(f"no answer within {limit}: killed")
            case Phase.IDLE if now >= self._retry_s:
                self._collect(saver)
                due_s = self._batch_due_s()
                if due_s is not None and now >= due_s:
                    self._send(link, now)

    def _due_s(self, link: SinkLink, saver: Saver) -> float:
        """When the loop has to turn even if nothing happens."""
        due = min(time.monotonic() + IDLE_S, saver.due_s())
        match link.phase:
            case Phase.ABSENT:
                due = min(due, self._retry_s)
            case Phase.STARTING | Phase.BUSY:
                due = min(due, self._deadline_s)
            case Phase.IDLE if self._retry_s > self.turned_s:
                due = min(due, self._retry_s)
            case Phase.IDLE if (batch_s := self._batch_due_s()) is not None:
                due = min(due, batch_s)
        if self._flush_until_s is not None:
            due = min(due, self._flush_until_s)
        return due

    # Batches.

    def _collect(self, saver: Saver) -> None:
        """Fill the batch: from disk first, for that is older."""
        while self._batch.room:
            entry = saver.next() or self._desk.next(live=False, late=True) or self._desk.next(late=False)
            if entry is None:
                return
            self._batch.add(entry)

    def _batch_due_s(self) -> float | None:
        """When the batch is to be sent; None: it is empty."""
        return self._batch.due_s(0.0 if self._desk.closing else self._config.batch_wait_s)

    def _send(self, link: SinkLink, now: float) -> None:
        entries = self._batch.send()
        for entry in entries:
            self._desk.sent(entry)
        self._ticket += 1
        self._sendings = 0
        self._deadline_s = now + self._config.timeout_s
        link.phase = Phase.BUSY
        link.post(Deliver(self._ticket, tuple(_item(entry) for entry in entries)))

    def _heard(self, link: SinkLink, saver: Saver, message: Message, now: float) -> None:
        match message:
            case SinkOpened() if link.phase is Phase.STARTING:
                link.phase, self._opened_s, self._retry_s = Phase.IDLE, now, 0.0
                if not self._batch:
                    self._runs()
            case SinkNotOpened():
                self._unusable = not message.usable
                link.kill(message.error)
            case Sending() if link.phase is Phase.BUSY and self._may_send(message):
                self._sendings += 1
                self._deadline_s = now + self._config.timeout_s
            case Delivered() if link.phase is Phase.BUSY and self._makes_sense(message):
                link.phase = Phase.IDLE
                self._answered(saver, message, now)
            case _:
                link.kill("it says what makes no sense: killed")

    def _may_send(self, call: Sending) -> bool:
        """Whether halving could have come to one more call: each moves the deadline."""
        return call.ticket == self._ticket and self._sendings < 2 * self._batch.sent - 1

    def _makes_sense(self, answer: Delivered) -> bool:
        if len(answer.refused) > answer.settled:
            return False
        whole = answer.settled == self._batch.sent
        return answer.ticket == self._ticket and (whole if not answer.error else answer.settled >= 0)

    def _answered(self, saver: Saver, message: Delivered, now: float) -> None:
        refused = dict(message.refused)
        for index, entry in enumerate(self._batch.settle(message.settled)):
            self._settle(saver, entry, refused.get(index))
        if message.error:
            asked_s = min(message.retry_after_s or 0.0, MAX_RETRY_AFTER_S)
            self._failed(message.error, now, at_least_s=asked_s)
        else:
            self._backoff = Backoff()
            self._runs()

    def _settle(self, saver: Saver, entry: Entry, refusal: str | None) -> None:
        """A result is done with: delivered, or refused."""
        if refusal is None:
            self._desk.delivered(entry, unmatched=False)
        else:
            reason = self._redact(refusal)[:MAX_WORDS]
            _log.warning("sink.result_refused", sink=self._config.id, seq=entry.message.seq, reason=reason)
            self._desk.refused(entry, reason)
        saver.settled(entry)

    # What goes wrong.

    def _runs(self) -> None:
        """A batch went well, or there is none that could have failed."""
        self._retry_s = 0.0
        if not self._flowing:
            self._flowing = True
            self._desk.link_up()
        if self._progress.to(SinkState.RUNNING):
            _log.info("sink.running", sink=self._config.id)

    def _pause(self) -> None:
        """What is made from now on comes late; the batch stays in hand, so that it is the same again."""
        if self._flowing:
            self._flowing = False
            self._desk.link_down(())
            self._desk.count("in_flight", len(self._batch))

    def _lost(self, link: SinkLink, saver: Saver, gone: Gone, now: float) -> None:
        """The process is gone: what it had in hand is sent again, by the next one."""
        by_itself = gone.usable and not link.why
        reason = (link.why or f"its process {gone.reason}") if gone.usable else gone.reason
        culprit = self._batch.ended(by_itself=by_itself)
        if culprit is not None:
            self._settle(saver, culprit, f"ends the sink's process: {reason}")
        lasted_s = 0.0 if self._opened_s is None or self._batch else now - self._opened_s
        self._progress.crashes += self._opened_s is not None
        unusable = self._unusable or not gone.usable
        self._opened_s, self._unusable = None, False
        state = SinkState.REFUSED if unusable else SinkState.RETRYING
        at_least_s = REFUSED_S if unusable else 0.0
        self._failed(reason, now, state=state, lasted_s=lasted_s, at_least_s=at_least_s)

    def _failed(
        self,
        error: str,
        now: float,
        *,
        at_least_s: float = 0.0,
        lasted_s: float = 0.0,
        state: SinkState = SinkState.RETRYING,
    ) -> None:
        self._backoff = self._backoff.after_failure(lasted_s=lasted_s)
        delay_s = max(self._backoff.delay_s(self._random.random()), at_least_s)
        self._retry_s = now + delay_s
        self._pause()
        error = self._redact(error)[:MAX_WORDS]
        if self._progress.failed(error, state, retry_s=self._retry_s):
            _log.warning(
                f"sink.{state.value}", sink=self._config.id, error=error, retry_in_s=round(delay_s, 1)
            )

    # The end.

    def _may_end(self, link: SinkLink, saver: Saver) -> bool:
        """Whether everything is out, or cannot go now, or the time for it is up."""
        if link.phase not in (Phase.IDLE, Phase.BUSY) or not self._flowing:
            return True
        now = time.monotonic()
        if self._flush_until_s is None:
            self._flush_until_s = now + self._flush_s
        waiting = self._batch or saver.waiting or any(self._desk.pending)
        return now >= self._flush_until_s or not waiting


def _item(entry: Entry) -> SinkItem:
    message = entry.message
    stream, _, algorithm = message.topic.partition("/")
    return SinkItem(message.epoch or 0, message.seq or 0, stream, algorithm, entry.late, message.payload)
