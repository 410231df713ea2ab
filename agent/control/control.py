"""Obeys commands: one reply each, the same id the same reply, refused ones change nothing."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import assert_never

from agent import log
from agent.config.settings import Settings
from agent.contract import commands as c
from agent.contract.status import Payload
from agent.contract.topics import Topics
from agent.contract.verbs import RequestError, parse_command
from agent.control.apply import Mutation, apply, changed_item, item_id
from agent.control.desired import Desired, merge
from agent.control.gate import Address, Allowance, address_of, read_request
from agent.control.messages import CommandMessage
from agent.control.ports import Running
from agent.control.sources import check_source
from agent.control.store import Store
from agent.config.secret import redact_url
from agent.errors import CommandError, VedetteError

_log = log.get_logger("control")

MAX_WAITING = 100  # commands at work at once; more get 429


@dataclass(slots=True)
class CommandCounts:
    """What became of commands."""

    obeyed: int = 0
    refused: int = 0
    repeated: int = 0
    ignored: int = 0  # retained, or on no command topic


class Control:
    """What is wanted, and the commands that change it.

    Commands that change something run one after the other; questions do not wait for them.
    """

    def __init__(
        self, settings: Settings, store: Store, topics: Topics, device: str, running: Running
    ) -> None:
        self.counts = CommandCounts()
        self._settings = settings
        self._store = store
        self._topics = topics
        self._device = device
        self._running = running
        self._allowance = Allowance(settings.security.commands_per_s)
        self._one_change = asyncio.Lock()
        self._at_work: dict[str, str] = {}
        changes, revision = store.load()
        self.desired: Desired = merge(settings.streams, settings.algorithms, changes, revision)

    def begin(self) -> None:
        """What was wanted when the agent ended, and what the file says now, is wanted again."""
        self._running.want(self.desired)

    def reload(self, settings: Settings) -> None:
        """The file was read again: what differs in it is the newest word."""
        desired = merge(
            settings.streams, settings.algorithms, self.desired.changes, self.desired.revision + 1
        )
        self._store.commit(desired.changes, desired.revision, None)
        self._settings, self.desired = settings, desired
        self._running.want(desired)

    async def handle(self, message: CommandMessage) -> None:
        """Obey or refuse one command. Every command gets exactly one reply; a retained one is none."""
        verb = self._topics.verb_of(message.topic)
        if message.retain or verb is None:
            self.counts.ignored += 1
            return
        address = address_of(message, self._topics)
        request_id: str | None = None
        try:
            if not self._allowance.spend(time.monotonic()) or len(self._at_work) >= MAX_WAITING:
                raise CommandError(429, "too many commands; wait a little")
            limit = self._settings.security.max_payload_bytes
            request = read_request(message, limit, time.time_ns() // 1000)
        except CommandError as err:
            if isinstance(err, RequestError):
                request_id = err.request_id
            self._refuse(address, request_id, err)
            return
        if request.id in self._at_work:
            self.counts.repeated += 1  # its reply is on its way
            return
        self._at_work[request.id] = verb
        try:
            await self._obey(verb, request, address)
        finally:
            del self._at_work[request.id]

    async def _obey(self, verb: str, request: c.Request, address: Address) -> None:
        try:
            given = self._store.reply_to(request.id)
            if given is not None:
                self.counts.repeated += 1
                self._running.reply(address.envelope(c.Reply.model_validate_json(given)))
                return
            command = parse_command(verb, request.args)
            data = await self._execute(command, request)
        except CommandError as err:
            self._refuse(address, request.id, err)
            return
        except VedetteError as err:
            _log.error("command.failed", verb=verb, id=request.id, error=str(err))
            self._refuse(address, request.id, CommandError(500, redact_url(f"{err.code}: {err}")))
            return
        self.counts.obeyed += 1
        _log.info("command.obeyed", verb=verb, id=request.id, revision=self.desired.revision)
        if data is not None:
            self._running.reply(address.envelope(self._good(request.id, data)))
        else:
            stored = self._store.reply_to(request.id)
            assert stored is not None  # noqa: S101  a change is committed with its reply
            self._running.reply(address.envelope(c.Reply.model_validate_json(stored)))

    async def _execute(self, command: c.Command, request: c.Request) -> Payload | None:  # noqa: PLR0911
        """The data of the reply; None when the change was committed together with its reply."""
        match command:
            case (
                c.StreamAdd()
                | c.StreamUpdate()
                | c.StreamRemove()
                | c.StreamPause()
                | c.StreamResume()
                | c.AlgorithmAdd()
                | c.AlgorithmUpdate()
                | c.AlgorithmRemove()
            ):
                async with self._one_change:
                    await self._change(command, request)
                return None
            case _ if request.if_revision not in (None, self.desired.revision):
                raise self._conflict(request)
            case c.AlgorithmRestart(id=name):
                self._known_algorithm(name)
                self._running.restart_algorithm(name)
                done = c.Changed(id=name, changed=True)
                self._remember(request, done)
                return done
            case c.SnapshotTake():
                self._known_stream(command.stream)
                taken = await self._running.snapshot(command)
                self._remember(request, taken)
                return taken
            case c.LogSetLevel(level=level, for_s=for_s):
                until = self._running.set_log_level(level, for_s)
                return c.LogLevelSet(level=level, until=until)
            case c.StreamList():
                return c.Streams(streams=self._streams())
            case c.AlgorithmList():
                return c.Algorithms(algorithms=self._algorithms())
            case c.StateGet():
                return self._running.report(self.desired.revision)
            case c.ConfigGet():
                path = self._settings.config_file
                return c.ConfigShown(
                    file=str(path) if path is not None else None, config=self._settings.redacted()
                )
            case c.Ping():
                return self._running.pong()
            case _:
                assert_never(command)

    async def _change(self, command: Mutation, request: c.Request) -> None:
        if request.if_revision not in (None, self.desired.revision):
            raise self._conflict(request)
        item = changed_item(self.desired, command)
        if isinstance(command, c.StreamAdd | c.StreamUpdate) and item is not None:
            before = self.desired.streams.get(item.id)
            if before is None or before.config.source != item.source:  # type: ignore[union-attr]
                security, paths = self._settings.security, self._settings.paths
                await asyncio.to_thread(check_source, item.source, security, paths)  # type: ignore[union-attr]
        if isinstance(command, c.AlgorithmAdd | c.AlgorithmUpdate) and item is not None:
            await self._running.check_algorithm(item, self.desired)  # type: ignore[arg-type]
        desired = apply(self.desired, command, self._settings)
        changed = desired is not self.desired
        reply = self._good(request.id, c.Changed(id=item_id(command), changed=changed), desired.revision)
        self._store.commit(desired.changes if changed else None, desired.revision, _stored(reply))
        if changed:
            self.desired = desired
            self._running.want(desired)

    # --- replies ---

    def _good(self, request_id: str, data: Payload, revision: int | None = None) -> c.Reply:
        return c.Reply(
            id=request_id,
            ok=True,
            code=200,
            data=data.model_dump(mode="json"),
            device=self._device,
            revision=self.desired.revision if revision is None else revision,
        )

    def _remember(self, request: c.Request, data: Payload) -> None:
        """Something was done that is not to be done twice."""
        self._store.commit(None, self.desired.revision, _stored(self._good(request.id, data)))

    def _refuse(self, address: Address, request_id: str | None, err: CommandError) -> None:
        self.counts.refused += 1
        _log.info("command.refused", id=request_id, code=err.status, error=str(err))
        reply = c.Reply(
            id=request_id,
            ok=False,
            code=err.status,
            error=redact_url(str(err)),
            device=self._device,
            revision=self.desired.revision,
        )
        self._running.reply(address.envelope(reply))

    def _conflict(self, request: c.Request) -> CommandError:
        return CommandError(
            409, f"if_revision is {request.if_revision}, the device is at {self.desired.revision}"
        )

    # --- views ---

    def _streams(self) -> dict[str, c.StreamItem]:
        statuses = self._running.stream_statuses()
        return {
            name: c.StreamItem(
                origin=item.origin,
                config=item.config.model_dump(mode="json") | {"source": redact_url(item.config.source)},
                status=statuses.get(name),
            )
            for name, item in self.desired.streams.items()
        }

    def _algorithms(self) -> dict[str, c.AlgorithmItem]:
        statuses = self._running.algorithm_statuses()
        return {
            name: c.AlgorithmItem(
                origin=item.origin, config=item.config.model_dump(mode="json"), status=statuses.get(name)
            )
            for name, item in self.desired.algorithms.items()
        }

    def _known_stream(self, name: str) -> None:
        if name not in self.desired.streams:
            raise CommandError(404, f"there is no stream {name!r}")

    def _known_algorithm(self, name: str) -> None:
        if name not in self.desired.algorithms:
            raise CommandError(404, f"there is no algorithm {name!r}")


def _stored(reply: c.Reply) -> tuple[str, str]:
    assert reply.id is not None  # noqa: S101  only replies to requests that were read are kept
    return reply.id, json.dumps(reply.tree())
