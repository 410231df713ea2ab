"""Which algorithm runs on which stream, and what its stream and its worker are told about it."""

from collections.abc import Callable, Mapping

from agent.config.algorithms import AlgorithmConfig
from agent.ipc.message import Message
from agent.ipc.messages import Forget, Sample, Serve
from agent.schedule import Pair
from agent.supervise.dispatch import Dispatcher, Need
from agent.supervise.specs import CAPTURE, frame_format, sample_spec
from agent.supervise.streams import StreamRun
from agent.supervise.takers import Taker

_OF_FRAMES = ("frame_count", "frame_step", "interval", "keyframes", "size", "pixel_format", "workers")


class Pairs:
    """The pairs that are wanted; adding or dropping one touches no other."""

    def __init__(self, dispatcher: Dispatcher, post: Callable[[str, Message], None]) -> None:
        self._dispatcher = dispatcher
        self._post = post
        self._configs = dict[Pair, AlgorithmConfig]()

    def __contains__(self, pair: Pair) -> bool:
        return pair in self._configs

    def settle(self, takers: Mapping[str, Taker]) -> set[str]:
        """Make the pairs those of these takers, by id; returns the streams that got new ones."""
        wanted = {Pair(stream, name): run for name, run in takers.items() for stream in run.streams}
        changed: set[str] = set()
        for pair, config in list(self._configs.items()):
            if pair in wanted and _same_frames(config, wanted[pair].config):
                self._configs[pair] = wanted[pair].config
            else:
                self._drop(pair, forget=pair not in wanted)
                changed.add(pair.stream)
        new = {pair: run for pair, run in wanted.items() if pair not in self._configs}
        for pair, run in new.items():
            self._add(pair, run)
        for stream in changed | {pair.stream for pair in new}:
            self.post_samples(stream, takers)
        return {pair.stream for pair in new}

    def post_samples(self, stream: str, takers: Mapping[str, Taker]) -> None:
        """Tell a capture process what is asked of it: all of it, whatever it knew."""
        runs = [takers[pair.algorithm] for pair in self._configs if pair.stream == stream]
        self._post(f"{CAPTURE}{stream}", Sample(tuple(sample_spec(run) for run in runs)))

    def provide(self, stream: StreamRun) -> None:
        """Lend the slots that a stream's algorithms need, if the size of its frames is known.

        Raises NoRoomError.
        """
        if stream.opened is None:
            return
        size = (stream.opened.width, stream.opened.height)
        for pair in self._of(stream.config.id):
            self._dispatcher.set_format(pair, frame_format(self._configs[pair], size))

    def silence(self, stream: str) -> None:
        """The stream gives no frames for now."""
        for pair in self._of(stream):
            self._dispatcher.stream_silent(pair)

    def stream_gone(self, stream: str) -> None:
        """The capture process is gone."""
        for pair in self._of(stream):
            self._dispatcher.stream_gone(pair)

    def _of(self, stream: str) -> list[Pair]:
        return [pair for pair in self._configs if pair.stream == stream]

    def _add(self, pair: Pair, run: Taker) -> None:
        self._configs[pair] = run.config
        need = Need(run.config.frame_count, run.config.interval)
        worker = self._dispatcher.add_pair(pair, run.workers(), need)
        self._post(worker, Serve(pair.stream))

    def _drop(self, pair: Pair, *, forget: bool) -> None:
        del self._configs[pair]
        worker = self._dispatcher.worker_of(pair)
        if worker is None:  # it went with its worker
            return
        if forget:
            self._post(worker, Forget(pair.stream))
        self._dispatcher.remove_pair(pair)


def _same_frames(before: AlgorithmConfig, after: AlgorithmConfig) -> bool:
    """Whether a change leaves alone which frames an algorithm gets, and in which workers."""
    return all(getattr(before, name) == getattr(after, name) for name in _OF_FRAMES)
