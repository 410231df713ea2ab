"""The door for commands: what comes in is ignored, answered on the spot, or admitted, and this exactly once.

An id is remembered from the moment its command is admitted. While it is at work, the same id is not answered;
its sender gets the one reply when there is one. Afterwards it gets the same reply again, byte by byte. A
command that was turned away for being too fast (429), or because its sender may not command (401, 403), is
not remembered: it may come again with its id. The ids of signed commands are their key's own: nobody else can
use them up.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agent.config.tables import SecurityConfig
from agent.contract.codec import UnpackableError
from agent.contract.commands import Command, Reply, Request
from agent.contract.decode import COMMAND_LIMITS, CONTENT_TYPES, Codec
from agent.contract.topics import Topics
from agent.contract.verbs import encode_reply, parse_command
from agent.control.bounds import Recent
from agent.control.clock import Clock
from agent.control.guard import Guard, Passed, read, told_time
from agent.control.marks import KeptMarks, Mark
from agent.control.messages import CommandMessage, Remembered, ReplyMessage
from agent.control.rates import Passage, Rates
from agent.errors import CommandError, StateError

MAX_AT_WORK = 100  # commands, of all clients; more get 429: a check may take a minute
MAX_ADDRESSES = 8  # of one command that came again while it was at work; further ones get no reply
MAX_ERROR = 8192  # characters of the error in a reply; what is longer is cut


@dataclass(frozen=True, slots=True)
class Address:
    """Where a reply goes."""

    topic: str
    correlation_data: bytes | None

    def key(self) -> bytes:
        """The same for the same place, and for no other: a topic has no zero byte in it."""
        data = self.correlation_data
        return self.topic.encode() + (b"" if data is None else b"\0" + data)


@dataclass(frozen=True, slots=True)
class Ignored:
    """No command, or one too many: nothing is answered."""

    why: str
    flood: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """A command that is at work came again: its reply will do."""

    id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Answered already: turned away, or remembered."""

    reply: ReplyMessage
    code: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """A command to be carried out, once; `Gate.finish` or `Gate.forget` ends it."""

    request: Request
    command: Command
    codec: Codec
    mark: Mark | None = None  # when it is signed

    @property
    def memory_id(self) -> str:
        """Under which it is remembered."""
        return self.request.id if self.mark is None else self.mark.id


Decision = Ignored | Joined | Answered | Admitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a command ended; `data` is plain."""

    code: int
    data: dict[str, Any] | None = None
    error: str | None = None


class Gate:
    """Decides about each message on a command topic; does no I/O but `stored`, a look-up by id."""

    def __init__(
        self,
        topics: Topics,
        security: SecurityConfig,
        *,
        stored: Callable[[str], Remembered | None],
        revision: Callable[[], int],
        redact: Callable[[str], str],
        clock: Clock,
        kept: KeptMarks | None = None,
    ) -> None:
        self.refused: Counter[int] = Counter()
        """Commands turned away, by code."""
        self.counters: Counter[str] = Counter()
        """received, admitted, ignored (flooded among them), joined, repeated, and dropped, since the memory
        of ids could not be read."""
        self._topics = topics
        self._stored = stored
        self._revision = revision
        self._redact = redact
        self._clock = clock
        self._recent = Recent()
        self._at_work: dict[str, list[Address]] = {}
        self._guard = Guard(security, kept or KeptMarks(), clock)
        self.set_limits(security)

    def set_limits(self, security: SecurityConfig) -> None:
        """Other limits and keys from now on."""
        self._guard.set_keys(security)
        self._limits = COMMAND_LIMITS.with_payload(security.max_payload_bytes)
        self._rates = Rates(
            each=security.commands_per_s,
            together=security.all_commands_per_s,
            now_s=self._clock.monotonic_s(),
        )

    def receive(self, message: CommandMessage) -> Decision:
        """What is to become of a message. Raises StateError when the stored replies cannot be read."""
        self.counters["received"] += 1
        try:
            decision = self._decide(message)
        except StateError:
            self.counters["dropped"] += 1
            raise
        match decision:
            case Admitted():
                self.counters["admitted"] += 1
            case Ignored():
                self.counters["ignored"] += 1
            case Joined():
                self.counters["joined"] += 1
            case Answered():
                pass
        return decision

    def encode(self, admitted: Admitted, outcome: Outcome, revision: int) -> Remembered:
        """The reply to an admitted command, as it is sent and remembered."""
        reply = self._encode(admitted.request.id, admitted.codec, outcome, revision)
        return replace(reply, id=admitted.memory_id)

    def finish(self, reply: Remembered) -> tuple[ReplyMessage, ...]:
        """The command is done: its reply, for everyone who waits for it."""
        self._recent.add(reply)
        return tuple(_to(address, reply) for address in self._at_work.pop(reply.id))

    def forget(self, admitted: Admitted) -> None:
        """The command was given up without an answer: it may come again."""
        self._at_work.pop(admitted.memory_id, None)
        if admitted.mark is not None:
            self._guard.drop(admitted.mark)

    def expired(self, request: Request) -> bool:
        """Whether it is too late for a command."""
        return request.expires is not None and request.expires < self._clock.now_us()

    def _too_late(self) -> str:
        """Why it expired, with what there is to compare: one of two clocks may be wrong."""
        return f"the command expired before it arrived; it is {told_time(self._clock.now_us())} here"

    def _decide(self, message: CommandMessage) -> Decision:
        address = self._address(message)
        passage = self._rates.passage(self._client(address), self._clock.monotonic_s())
        if passage is Passage.DROPPED:  # before anything of it is read: that is what costs
            self.counters["flooded"] += 1
            return Ignored("far too many commands a second", flood=True)
        if message.retain:  # it would be obeyed again at each start
            return Ignored("retained")
        addressed = self._topics.addressed(message.topic)
        if addressed is None:
            return Ignored("no command topic")
        parcel = read(message.payload, self._limits)
        if passage is not Passage.OBEYED:
            return self._turned_away(parcel.request_id, parcel.codec, address, _TOO_FAST)
        try:
            passed = self._guard.check(parcel, message.topic, addressed, address.key())
        except CommandError as err:
            outcome = Outcome(code=err.status, error=str(err))
            return self._turned_away(parcel.request_id, parcel.codec, address, outcome)
        return self._again(passed, address) or self._admit(addressed.verb, passed, address)

    def _again(self, passed: Passed, address: Address) -> Joined | Answered | None:
        """What came before: it is not done twice."""
        request, mark = passed.request, passed.mark
        if (waiting := self._at_work.get(passed.memory_id)) is not None:
            if address not in waiting and len(waiting) < MAX_ADDRESSES:
                waiting.append(address)
            return Joined(request.id)
        known = self._recent.get(passed.memory_id) or self._stored(passed.memory_id)
        if known is not None:
            self.counters["repeated"] += 1
            return Answered(_to(address, known), known.code)
        if mark is not None and self._guard.taken(mark):
            return self._turned_away(request.id, passed.codec, address, _FORGOTTEN)
        if not self._has_room(address):
            return self._turned_away(request.id, passed.codec, address, _TOO_MANY)
        return None

    def _admit(self, verb: str, passed: Passed, address: Address) -> Admitted | Answered:
        request = passed.request
        outcome = Outcome(code=410, error=self._too_late())
        if passed.mark is not None:
            self._guard.take(passed.mark)
        if not self.expired(request):
            try:
                command = parse_command(verb, request.args)
            except CommandError as err:
                outcome = Outcome(code=err.status, error=str(err))
            else:
                self._at_work[passed.memory_id] = [address]
                return Admitted(request, command, passed.codec, passed.mark)
        answered = self._turned_away(request.id, passed.codec, address, outcome)
        self._recent.add(self._remembered(passed.memory_id, answered))
        return answered

    def _address(self, message: CommandMessage) -> Address:
        asked = message.response_topic
        allowed = asked is not None and self._topics.may_respond_to(asked)
        topic = asked if asked is not None and allowed else self._topics.response
        return Address(topic, message.correlation_data)

    def _client(self, address: Address) -> str | None:
        """Who sent a message, as far as that shows: MQTT does not say."""
        return None if address.topic == self._topics.response else address.topic

    def _has_room(self, address: Address) -> bool:
        """Whether one more may be at work; clients share that evenly, too."""
        client = self._client(address)
        theirs = sum(self._client(waiting[0]) == client for waiting in self._at_work.values())
        return len(self._at_work) < MAX_AT_WORK and theirs < MAX_AT_WORK // (len(self._rates) + 1)

    def _turned_away(
        self, request_id: str | None, codec: Codec, address: Address, outcome: Outcome
    ) -> Answered:
        self.refused[outcome.code] += 1
        reply = self._encode(request_id, codec, outcome, self._revision())
        return Answered(_to(address, reply), outcome.code)

    def _remembered(self, request_id: str, answered: Answered) -> Remembered:
        return Remembered(
            id=request_id,
            code=answered.code,
            payload=answered.reply.payload,
            content_type=answered.reply.content_type,
            time_us=self._clock.now_us(),
        )

    def _encode(self, request_id: str | None, codec: Codec, outcome: Outcome, revision: int) -> Remembered:
        try:
            payload = self._payload(request_id, codec, outcome, revision)
        except UnpackableError as err:
            outcome = Outcome(code=500, error=f"the answer cannot be packed: {err}")
            payload = self._payload(request_id, codec, outcome, revision)
        return Remembered(
            id=request_id or "",
            code=outcome.code,
            payload=payload,
            content_type=CONTENT_TYPES[codec],
            time_us=self._clock.now_us(),
        )

    def _payload(self, request_id: str | None, codec: Codec, outcome: Outcome, revision: int) -> bytes:
        reply = Reply(
            id=request_id,
            ok=outcome.code < _FIRST_ERROR,
            code=outcome.code,
            error=None if outcome.error is None else _short(self._redact(outcome.error)),
            data=outcome.data,
            device=self._topics.device,
            revision=revision,
        )
        return encode_reply(reply, codec)


_FIRST_ERROR = 300
_TOO_FAST = Outcome(code=429, error="too many commands a second; send it again, more slowly")
_FORGOTTEN = Outcome(
    code=401, error="replayed: it was carried out before, and its reply is not remembered any more"
)
_TOO_MANY = Outcome(code=429, error="too many commands are at work; send it again later")


def _to(address: Address, reply: Remembered) -> ReplyMessage:
    return ReplyMessage(
        topic=address.topic,
        payload=reply.payload,
        content_type=reply.content_type,
        correlation_data=address.correlation_data,
    )


def _short(text: str) -> str:
    text = text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]} …"
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate cannot travel
