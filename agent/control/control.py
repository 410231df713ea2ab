"""Commands, in their order: checked, applied, stored with their reply, told.

Changes go one at a time, in the order in which they came; questions and snapshots do not wait for them.
A change and its reply are stored before anybody hears of either. Replies to questions are remembered
in memory alone: asked again after a restart, a question is answered anew, and does no harm. That a signed
command was taken is stored always, with the change or before the answer: nobody can send it again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, assert_never

from agent import log
from agent.config.secret import redact_url
from agent.config.settings import Settings
from agent.contract import commands as c
from agent.contract.codes import CODES
from agent.contract.topics import Topics
from agent.contract.verbs import verb_of
from agent.control.answers import Answers
from agent.control.apply import Mutation, apply, id_of
from agent.control.clock import Clock, SystemClock
from agent.control.desired import Desired, merge
from agent.control.gate import Admitted, Answered, Gate, Ignored, Joined, Outcome
from agent.control.lookups import LookUps
from agent.control.messages import CommandMessage, Remembered, ReplyMessage
from agent.control.ports import Actions, Checks, Views
from agent.control.rules import Rules
from agent.control.sources import Resolve, check_source
from agent.control.store import Store
from agent.errors import (
    CommandError,
    KindError,
    NoRoomError,
    SecretError,
    SourceError,
    StateError,
    VedetteError,
)

_log = log.get_logger("control")

CHECK_LIMIT_S = 90.0  # loading an algorithm's class may import a large framework
ACTION_LIMIT_S = 30.0

_NOT_ALLOWED = (401, 403)
_BUG = Outcome(code=500, error="the agent failed at this command (internal)")


class Control:
    """Obeys commands; `desired` is what is to run."""

    def __init__(  # noqa: PLR0913 - its whole border, by name
        self,
        settings: Settings,
        store: Store,
        topics: Topics,
        *,
        views: Views,
        actions: Actions,
        checks: Checks,
        publish: Callable[[ReplyMessage], None],
        on_desired: Callable[[Desired], None],
        clock: Clock | None = None,
        redact: Callable[[str], str] = redact_url,
        learn: Callable[[dict[str, Any]], None] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._desired = merge(settings, store.changes)
        self._rules = Rules.of(settings)
        self._store = store
        self._answers = Answers(views, actions, redact)
        self._learn = learn
        self._checks = checks
        self._publish = publish
        self._on_desired = on_desired
        self._resolve = resolve or LookUps()
        self._gate = Gate(
            topics,
            settings.security,
            stored=store.reply,
            revision=lambda: self._desired.revision,
            redact=redact,
            clock=clock or SystemClock(),
            kept=store.marks,
        )
        self._in_turn = asyncio.Lock()
        self._replies: Counter[int] = Counter()

    @property
    def desired(self) -> Desired:
        """What is to run now."""
        return self._desired

    @property
    def fates(self) -> Mapping[str, int]:
        """How many messages came through the gate, by what became of them."""
        counters = self._gate.counters
        fates = {name: counters[name] for name in ("admitted", "joined", "repeated", "flooded", "dropped")}
        ignored = counters["ignored"] - counters["flooded"]
        return fates | {"ignored": ignored, "refused": sum(self._gate.refused.values())}

    @property
    def replies(self) -> Mapping[str, int]:
        """How many replies went out, by code; repeated ones not counted."""
        return {str(code): self._replies[code] + self._gate.refused[code] for code in CODES}

    def owes_since(self) -> float | None:
        """Since when (monotonic seconds) a write to the store is under way; None: there is none."""
        return self._store.owes_since()

    async def reload(self, settings: Settings) -> Desired:
        """What is to run by a file that was read again: what differs is told to `on_desired`.

        At start too, with the settings of the start: it stores the revision that a changed file led to.
        Raises StateError when that cannot be stored, and then nothing has changed.
        """
        async with self._in_turn:
            desired = merge(settings, self._desired.changes())
            changes = desired.changes()
            if changes != self._store.changes:
                await self._store.commit_aside(changes)
            self._rules = Rules.of(settings)
            self._gate.set_limits(settings.security)
            self._adopt(desired)
            return desired

    async def handle(self, message: CommandMessage) -> None:
        """Obey one command, and publish its one reply.

        Create its task in the order in which messages came: until its turn is booked it does not wait. Raises
        only what is a bug, and then the reply has gone out, too. Cancelled, it gives no reply: the command
        may have been done, and its sender learns that by asking again.
        """
        try:
            decision = self._gate.receive(message)
        except StateError as err:  # the memory of ids cannot be read: better silent than done twice
            _log.error("command.dropped", topic=message.topic, error=err)
            return
        match decision:
            case Admitted():
                await self._carry_out(decision)
            case Answered(reply, code):
                log_it = _log.warning if code in _NOT_ALLOWED else _log.info
                log_it("command.answered", topic=message.topic, code=code)
                self._publish(reply)
            case Ignored(why, flood):
                # Not a line for each message of a flood: they are counted.
                (_log.debug if flood else _log.warning)("command.ignored", topic=message.topic, why=why)
            case Joined(command_id):
                _log.info("command.at_work", topic=message.topic, id=command_id)
            case _:
                assert_never(decision)

    async def _carry_out(self, admitted: Admitted) -> None:
        reply: Remembered | None = self._gate.encode(admitted, _BUG, self._desired.revision)
        if self._learn is not None:  # before anything can be said about the passwords in it
            self._learn(admitted.request.args)
        try:
            reply = await self._reply_to(admitted)
        except asyncio.CancelledError:
            reply = None
            raise
        finally:
            if reply is None:
                self._gate.forget(admitted)
            else:
                _log.info(
                    "command.done", verb=verb_of(admitted.command), id=admitted.request.id, code=reply.code
                )
                self._replies[reply.code] += 1
                for message in self._gate.finish(reply):
                    self._publish(message)

    async def _reply_to(self, admitted: Admitted) -> Remembered:
        command = admitted.command
        if isinstance(command, c.AlgorithmRestart | c.LogSetLevel):
            async with self._in_turn:
                return await self._answer(admitted, store=True)
        if isinstance(command, Mutation):
            async with self._in_turn:
                return await self._change(admitted, command)
        return await self._answer(admitted, store=isinstance(command, c.SnapshotTake | c.Diag))

    # --- what changes nothing that is to run ---

    async def _answer(self, admitted: Admitted, *, store: bool) -> Remembered:
        try:
            self._check_request(admitted)
            await self._mark(admitted, needed=store)
            async with asyncio.timeout(ACTION_LIMIT_S):
                data = await self._answers.to(admitted.command, admitted.request.id, self._desired)
        except VedetteError as err:
            outcome = _refusal(err)
        except TimeoutError:
            outcome = Outcome(code=500, error=f"it took longer than {ACTION_LIMIT_S:g} s, and was given up")
        else:
            outcome = Outcome(code=200, data=data.model_dump(mode="json", exclude_none=True))
        reply = self._gate.encode(admitted, outcome, self._desired.revision)
        if store:
            try:
                await self._store.commit_aside(None, reply)
            except StateError as err:  # it is done, and remembered in memory at least
                _log.error("reply.not_stored", id=admitted.request.id, error=err)
        return reply

    async def _mark(self, admitted: Admitted, *, needed: bool) -> None:
        """Remember a signed command before it is carried out: never twice, whatever happens in between.

        Raises StateError when that cannot be stored but is `needed`; a question is answered all the same.
        """
        if admitted.mark is None:
            return
        try:
            await self._store.commit_aside(None, None, admitted.mark)
        except StateError as err:
            if needed:
                raise
            _log.error("mark.not_stored", id=admitted.request.id, error=err)

    # --- what changes what is to run ---

    async def _change(self, admitted: Admitted, command: Mutation) -> Remembered:
        before = self._desired
        warnings: tuple[str, ...] = ()
        try:
            self._check_request(admitted)
            after = apply(before, command)
            if after is not before:
                async with asyncio.timeout(CHECK_LIMIT_S):
                    warnings = await self._check(before, after, id_of(command))
        except VedetteError as err:
            after, outcome = before, _refusal(err)
        except TimeoutError:
            error = f"the checks took longer than {CHECK_LIMIT_S:g} s; nothing has changed"
            after, outcome = before, Outcome(code=500, error=error)
        else:
            changed = c.Changed(id=id_of(command), changed=after is not before, warnings=warnings)
            outcome = Outcome(code=200, data=changed.model_dump(mode="json"))
        reply = self._gate.encode(admitted, outcome, after.revision)
        try:
            await self._store.commit_aside(after.changes(), reply, admitted.mark)
        except StateError as err:
            _log.error("change.not_stored", id=admitted.request.id, error=err)
            # A later life would take a signed command again: its sender is not told that it is settled.
            if after is not before or admitted.mark is not None:
                reply = self._gate.encode(admitted, _refusal(err), before.revision)
            return reply
        self._adopt(after)
        return reply

    async def _check(self, before: Desired, after: Desired, key: str) -> tuple[str, ...]:
        """What the step itself cannot tell of the changed item; returns warnings, raises VedetteError."""
        stream, old_stream = after.streams.get(key), before.streams.get(key)
        if stream is not old_stream and stream is not None:
            # What the file says is trusted, and stays so when a command changes something else.
            if old_stream is None or stream.config.source != old_stream.config.source:
                await check_source(stream.config.source, self._rules, self._resolve)
            await self._checks.check_fit(after)
        algorithm, old_algorithm = after.algorithms.get(key), before.algorithms.get(key)
        if algorithm is not old_algorithm and algorithm is not None:
            await self._checks.check_algorithm(algorithm.config)
            await self._checks.check_fit(after)
        warning = self._checks.check_load(before, after)
        return () if warning is None else (warning,)

    def _check_request(self, admitted: Admitted) -> None:
        """What may have changed since the command came: it waits for its turn."""
        request = admitted.request
        if self._gate.expired(request):
            code = 410 if admitted.mark is None else 401
            raise CommandError(code, "the command expired while others were at work")
        if request.if_revision is not None and request.if_revision != self._desired.revision:
            raise CommandError(
                409, f"the device is at revision {self._desired.revision}, not at {request.if_revision}"
            )

    def _adopt(self, desired: Desired) -> None:
        if desired != self._desired:
            self._desired = desired
            _log.info("desired.changed", revision=desired.revision)
            self._on_desired(desired)


def _refusal(error: VedetteError) -> Outcome:
    match error:
        case CommandError():
            return Outcome(code=error.status, error=str(error))
        case KindError() | SecretError():
            return Outcome(code=422, error=str(error))
        case NoRoomError() | SourceError():
            return Outcome(code=409, error=str(error))
        case _:
            _log.error("command.failed", error=error)
            return Outcome(code=500, error=f"{error} ({error.code})")
