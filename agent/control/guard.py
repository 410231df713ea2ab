"""Who may command: the signature, its key, what the key allows, the time, and whether it came before.

A command that passes is as trusted as its key. One that does not is answered with 401 (nobody we know has
signed this for now and for here) or 403 (we know who has, and it is not theirs to command).
"""

import datetime as dt
import hashlib
from dataclasses import dataclass

from agent.config.keys import KeyConfig
from agent.config.plain import problem_in
from agent.config.tables import SecurityConfig
from agent.contract.commands import Request
from agent.contract.decode import Codec, Limits, codec_of
from agent.contract.signed import MAX_AHEAD_S, Envelope, envelope_in
from agent.contract.topics import FLEET, Addressed
from agent.contract.verbs import RequestError, read_tree, request_of
from agent.control.clock import Clock
from agent.control.marks import MAX_MARKS, KeptMarks, Mark, Marks
from agent.control.signatures import verify
from agent.errors import CommandError

_TOO_LARGE = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A payload, as far as it could be read; whether its signature fits is not known yet."""

    codec: Codec
    request: Request | None = None
    fault: CommandError | None = None  # why there is no request, or no envelope that can be used
    request_id: str | None = None
    envelope: Envelope | None = None


def read(payload: bytes, limits: Limits) -> Parcel:
    """What is in a payload, signed or not; never raises."""
    envelope = None
    try:
        tree = read_tree(payload, limits)
        envelope = envelope_in(tree)
        if envelope is not None:
            tree = read_tree(envelope.request, limits)
        request = _request_in(tree)
    except RequestError as err:
        codec: Codec = codec_of(payload) if envelope is not None or err.request_id is not None else "json"
        return Parcel(codec=codec, fault=err, request_id=err.request_id, envelope=envelope)
    except CommandError as err:
        return Parcel(codec=codec_of(payload), fault=err)
    return Parcel(codec=codec_of(payload), request=request, request_id=request.id, envelope=envelope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A request whose sender may command."""

    request: Request
    codec: Codec
    mark: Mark | None = None  # when it is signed

    @property
    def memory_id(self) -> str:
        """Under which it is remembered: what is signed, apart from all else."""
        return self.request.id if self.mark is None else self.mark.id


def _request_in(tree: object) -> Request:
    request = request_of(tree)
    if (problem := problem_in(request.args)) is not None:
        raise RequestError(400, f"args: {problem}", request.id)
    return request


class Guard:
    """Judges parcels; pure but for its memory of what was taken."""

    def __init__(self, security: SecurityConfig, kept: KeptMarks, clock: Clock) -> None:
        self._marks = Marks(kept)
        self._clock = clock
        self.set_keys(security)

    def set_keys(self, security: SecurityConfig) -> None:
        """Other keys from now on."""
        self._keys = security.keys
        self._required = security.require_signature

    def check(self, parcel: Parcel, topic: str, addressed: Addressed, reply_to: bytes) -> Passed:
        """The request, when it is signed as it has to be, or needs no signature.

        `reply_to` says where the reply would go: what was taken already may only come again from the same
        place. Raises CommandError 401, 403 or 429, or the parcel's own fault.
        """
        envelope = parcel.envelope
        if envelope is None:
            self._check_unsigned(parcel)
            return Passed(request=_readable(parcel), codec=parcel.codec)
        key = self._keys.get(envelope.key)
        if key is None:
            raise CommandError(401, f"this device knows no key {envelope.key!r}")
        message = envelope.message(topic)
        if not verify(key.key_bytes, message, envelope.signature):
            raise CommandError(
                401,
                f"the signature is not that of key {envelope.key!r} for this request on {topic}: another key "
                "has signed it, or it was altered, or it was meant for another topic",
            )
        self._allow(envelope.key, key, addressed)
        request = _readable(parcel)
        mark = Mark(
            id=f"{envelope.key}/{request.id}",
            digest=hashlib.sha256(hashlib.sha256(message).digest() + reply_to).digest(),
            expires_us=self._in_time(request),
        )
        self._check_first(mark)
        return Passed(request=request, codec=parcel.codec, mark=mark)

    def taken(self, mark: Mark) -> bool:
        """Whether this command was taken before."""
        return self._marks.get(mark.id) is not None

    def take(self, mark: Mark) -> None:
        """The command is taken: once."""
        self._marks.add(mark)

    def drop(self, mark: Mark) -> None:
        """The command was given up: it may come again."""
        self._marks.drop(mark)

    def _check_unsigned(self, parcel: Parcel) -> None:
        fault = parcel.fault
        if self._required and (fault is None or fault.status != _TOO_LARGE):
            why = "" if fault is None else f", and it cannot be read: {fault}"
            raise CommandError(401, f"this device obeys signed commands only; this one is not signed{why}")

    def _allow(self, name: str, key: KeyConfig, addressed: Addressed) -> None:
        if not key.valid_on(_moment(self._clock.now_us()).date()):
            raise CommandError(403, f"key {name!r} expired on {key.expires}")
        if not key.allows_group(addressed.group):
            whom = "all devices at once" if addressed.group == FLEET else f"group {addressed.group!r}"
            raise CommandError(403, f"key {name!r} may not command {whom}")
        if not key.allows_verb(addressed.verb):
            raise CommandError(403, f"key {name!r} may not use {addressed.verb!r}")

    def _in_time(self, request: Request) -> int:
        now_us = self._clock.now_us()
        if request.expires is None:
            raise CommandError(401, "expires: is missing; a signed command needs it")
        if request.expires < now_us:
            raise CommandError(401, f"the command expired before it arrived; it is {told_time(now_us)} here")
        if request.expires > now_us + MAX_AHEAD_S * 1_000_000:
            raise CommandError(
                401,
                f"expires: must be at most {MAX_AHEAD_S} s from now; it is {told_time(now_us)} here",
            )
        return request.expires

    def _check_first(self, mark: Mark) -> None:
        """Or the same again, from the same place."""
        self._marks.forget_expired(self._clock.now_us())
        seen = self._marks.get(mark.id)
        if seen is not None:
            if seen.digest != mark.digest:
                raise CommandError(401, f"replayed: key {mark.key!r} has used this id already")
        elif mark.expires_us <= self._marks.floor_us:
            raise CommandError(
                401,
                "the command may have been carried out already: it expires before one that is forgotten; "
                f"it is {told_time(self._clock.now_us())} here",
            )
        elif self._marks.full(mark.key):
            raise CommandError(
                429, f"{MAX_MARKS} commands of key {mark.key!r} have not expired yet; sign shorter ones"
            )


def _readable(parcel: Parcel) -> Request:
    if parcel.request is None:
        raise parcel.fault or CommandError(400, "there is no request")
    return parcel.request


def _moment(time_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(time_us // 1_000_000, dt.UTC)


def told_time(time_us: int) -> str:
    """As errors tell it, in UTC."""
    return _moment(time_us).isoformat(timespec="seconds").replace("+00:00", "Z")
