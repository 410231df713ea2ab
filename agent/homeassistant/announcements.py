"""Keeps what Home Assistant is told true, and takes back what is no more."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, get_args

from agent import log
from agent.config.algorithms import AlgorithmConfig
from agent.config.settings import Settings
from agent.contract.homeassistant import BORN, Discovery, DiscoveryTopics, Removed
from agent.homeassistant.entities import Drafts, Wanted
from agent.homeassistant.memory import Announced, Memory, components_in

_log = log.get_logger("homeassistant")

# Changes that come together are told together, for Home Assistant drops part of a document that comes while
# it still sets up entities of the one before.
PAUSE_S: Final = 1.0
SETTLE_S: Final = 5.0  # how often it is asked whether the broker has all that was to be cleared
MAX_LEFT: Final = 2_000  # documents of an earlier agent that are cleared; the state folder was lost, then

_PLATFORMS: Final = frozenset(get_args(Removed.model_fields["platform"].annotation))


def subscriptions(settings: Settings) -> tuple[str, ...]:
    """What the agent has to hear for this; nothing when it is turned off."""
    if not settings.homeassistant.enabled:
        return ()
    topics = DiscoveryTopics(settings.homeassistant.discovery_prefix, settings.device.id)
    return (topics.birth, topics.streams)


class Announcements:
    """The documents of one agent, from `want` to the broker.

    `publish` gets a topic and a retained payload, an empty one to clear it, and does not wait; `settled`
    says whether the broker has answered for all of these. When it is turned off, what an earlier agent
    announced is cleared, and nothing else is done.
    """

    def __init__(
        self,
        drafts: Drafts,
        state_dir: Path,
        *,
        publish: Callable[[str, bytes], None],
        settled: Callable[[], bool],
        pause_s: float = PAUSE_S,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._drafts = drafts
        self._memory = Memory(state_dir)
        self._publish = publish
        self._settled = settled
        self._pause_s = pause_s
        self._settle_s = settle_s
        self._wanted = Wanted()
        self._changed = asyncio.Event()
        self._announced: Announced = {}  # as in the file: what may be known outside
        self._left: Announced = {}  # found at the broker since the last look
        self._said: dict[str, bytes] = {}
        self._present: Announced = {}  # what is announced now
        self._again = False

    def want(self, streams: Iterable[str], algorithms: Iterable[AlgorithmConfig]) -> None:
        """These are to run: what of it concerns Home Assistant is told soon."""
        wanted = Wanted(streams=tuple(streams), algorithms=tuple(algorithms))
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    def heard(self, topic: str, payload: bytes) -> bool:
        """A message came; whether it concerned Home Assistant."""
        discovery = self._drafts.discovery
        if topic == discovery.birth:
            if payload == BORN:
                self._again = True
                self._changed.set()
            return True
        if not discovery.is_stream(topic):
            # The broker goes on with subscriptions of before, below another prefix.
            return topic in self._announced
        components = components_in(payload) if payload else None
        if components is not None and payload != self._said.get(topic) and len(self._left) < MAX_LEFT:
            self._left[topic] = components
            self._changed.set()
        return True

    async def run(self) -> NoReturn:
        """For ever."""
        self._announced = await asyncio.to_thread(self._memory.read)
        self._changed.set()
        while True:
            cleared = self._announced != self._present
            try:
                async with asyncio.timeout(self._settle_s if cleared else None):
                    await self._changed.wait()
            except TimeoutError:
                if self._settled():
                    await self._remember(self._present)
                continue
            await asyncio.sleep(self._pause_s)
            self._changed.clear()
            await self._tell()

    async def _tell(self) -> None:
        """Remember, then publish: killed in between, the next agent knows."""
        again, self._again = self._again, False
        left, self._left = self._left, {}
        # In a thread: the documents of a thousand streams take a quarter of a second.
        told = await asyncio.to_thread(_draft, self._drafts, self._wanted, _both(self._announced, left))
        self._present = told.present
        await self._remember(told.announced)
        for topic, payload in told.payloads.items():
            if again or topic in left or self._said.get(topic) != payload:
                self._publish(topic, payload)
        self._said = told.payloads
        cleared = len(told.payloads) - len(told.present)
        _log.debug("homeassistant.announced", documents=len(told.present), cleared=cleared)

    async def _remember(self, announced: Announced) -> None:
        if announced == self._announced:
            return
        self._announced = announced
        try:
            await asyncio.to_thread(self._memory.write, announced)
        except OSError as err:  # Home Assistant may keep an entity that is no more, but nothing is lost
            _log.warning("homeassistant.not_remembered", error=err.strerror)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """All that is to be said at one time."""

    present: Announced  # what there is
    announced: Announced  # that, and what is taken back
    payloads: dict[str, bytes]  # by topic; empty ones clear it


def _draft(drafts: Drafts, wanted: Wanted, before: Announced) -> _Told:
    """What to say, when this is wanted, and that was announced before. Pure."""
    documents = drafts.documents(wanted)
    present = {topic: _platforms(document) for topic, document in documents.items()}
    announced = _both(before, present)
    payloads = {
        topic: _with_removed(documents[topic], names).json_bytes() if topic in documents else b""
        for topic, names in announced.items()
    }
    return _Told(present=present, announced=announced, payloads=payloads)


def _platforms(document: Discovery) -> dict[str, str]:
    return {name: component.platform for name, component in document.components.items()}


def _both(first: Mapping[str, Mapping[str, str]], then: Mapping[str, Mapping[str, str]]) -> Announced:
    """What is in either, with the agent's own document first: streams are said to be reached via it."""
    topics = sorted({*first, *then}, key=lambda topic: (topic.count("/"), topic))
    return {topic: {**first.get(topic, {}), **then.get(topic, {})} for topic in topics}


def _with_removed(document: Discovery, names: Mapping[str, str]) -> Discovery:
    """The document, which also says which entities of earlier ones are no more."""
    removed = {
        name: Removed.model_validate({"platform": platform})
        for name, platform in names.items()
        if name not in document.components and platform in _PLATFORMS
    }
    return document.model_copy(update={"components": {**document.components, **removed}})
