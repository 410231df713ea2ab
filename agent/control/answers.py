"""Answers to what changes nothing that is to run: questions, and actions such as a snapshot."""

from collections.abc import Callable, Mapping
from typing import Any, assert_never

from pydantic import BaseModel

from agent.config.secret import redacted
from agent.contract import commands as c
from agent.contract.status import AlgorithmStatus, Payload, Reported, StreamStatus
from agent.contract.verbs import verb_of
from agent.control.apply import unknown
from agent.control.desired import Desired
from agent.control.ports import Actions, Views
from agent.errors import CommandError


class Answers:
    """Puts together what is desired and what is seen."""

    def __init__(self, views: Views, actions: Actions, redact: Callable[[str], str]) -> None:
        self._views = views
        self._actions = actions
        self._redact = redact

    async def to(  # noqa: C901, PLR0911, PLR0912 - one branch a verb
        self, command: c.Command, request_id: str, desired: Desired
    ) -> Payload:
        """The data of the reply; CommandError 404, and what the actions raise."""
        match command:
            case c.Ping():
                return self._views.pong()
            case c.ConfigGet():
                return self._views.config_shown()
            case c.StateGet():
                return self._reported(desired)
            case c.StreamList():
                return self._streams(desired)
            case c.AlgorithmList():
                return self._algorithms(desired)
            case c.LogSetLevel():
                return await self._actions.set_log_level(command)
            case c.Diag():
                return await self._actions.diagnose(command, request_id)
            case c.SnapshotTake():
                if command.stream not in desired.streams:
                    raise CommandError(404, unknown("stream", command.stream, desired.streams))
                return await self._actions.take_snapshot(command, request_id)
            case c.PreviewStart() | c.PreviewStop():
                if command.stream not in desired.streams:
                    raise CommandError(404, unknown("stream", command.stream, desired.streams))
                return self._actions.preview(command)
            case c.AlgorithmRestart():
                if command.id not in desired.algorithms:
                    raise CommandError(404, unknown("algorithm", command.id, desired.algorithms))
                await self._actions.restart_algorithm(command.id)
                return c.Changed(id=command.id, changed=True)
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
                raise AssertionError(f"{verb_of(command)} is a change")
            case _:
                assert_never(command)

    def _reported(self, desired: Desired) -> Reported:
        return self._views.reported().model_copy(update={"revision": desired.revision})

    def _streams(self, desired: Desired) -> c.Streams:
        status: Mapping[str, StreamStatus] = self._views.reported().streams
        return c.Streams(
            streams={
                key: c.StreamItem(origin=item.origin, config=self._shown(item.config), status=status.get(key))
                for key, item in desired.streams.items()
            }
        )

    def _algorithms(self, desired: Desired) -> c.Algorithms:
        status: Mapping[str, AlgorithmStatus] = self._views.reported().algorithms
        return c.Algorithms(
            algorithms={
                key: c.AlgorithmItem(
                    origin=item.origin, config=self._shown(item.config), status=status.get(key)
                )
                for key, item in desired.algorithms.items()
            }
        )

    def _shown(self, config: BaseModel) -> dict[str, Any]:
        shown: dict[str, Any] = _each_text(redacted(config.model_dump(mode="json")), self._redact)
        return shown


def _each_text(tree: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - any plain tree
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, dict):
        return {key: _each_text(value, change) for key, value in tree.items()}
    return [_each_text(item, change) for item in tree] if isinstance(tree, list) else tree
