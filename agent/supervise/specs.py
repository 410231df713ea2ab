"""Which children run: a pure function of what is wanted. Read this to know what the agent consists of."""

from pathlib import Path

from agent.capture.args import CaptureArgs
from agent.config.algorithms import AlgorithmConfig
from agent.config.secret import Secret
from agent.config.streams import StreamConfig
from agent.config.tables import RecordingsConfig
from agent.control.rules import Rules
from agent.frames import FrameFormat
from agent.ipc.inspecting import KindFound
from agent.ipc.messages import SampleSpec
from agent.supervise.algorithms import AlgorithmRun
from agent.supervise.decide import ChildSpec
from agent.supervise.takers import Taker
from agent.worker.args import Codec, PainterArgs, RecorderArgs, WorkerArgs

CAPTURE = "capture/"
CAPTURE_MAIN = "agent.capture.main:main"
WORKER = "worker/"
RECORDER = "recorder/"
MAX_FAILED_STARTS = 5


def capture_args(config: StreamConfig, url: Secret, rules: Rules | None = None) -> CaptureArgs:
    """What a capture process is started with; `url` is the source with its secrets filled in.

    `rules` say what a source that a command named may lead to.
    """
    return CaptureArgs(
        stream=config.id,
        url=url,
        backend=config.backend,
        rtsp_transport=config.rtsp_transport,
        hwaccel=config.hwaccel,
        loop=config.loop,
        fps=config.fps,
        open_timeout_s=config.open_timeout_s,
        read_timeout_s=config.read_timeout_s,
        rules=rules,
    )


def capture_spec(config: StreamConfig, url: Secret, rules: Rules | None) -> ChildSpec:
    """The capture process of a stream."""
    return ChildSpec(
        name=f"{CAPTURE}{config.id}",
        main=CAPTURE_MAIN,
        args=capture_args(config, url, rules),
        beat_timeout_s=10.0,
    )


def worker_specs(run: AlgorithmRun, kind: KindFound, codec: Codec) -> tuple[ChildSpec, ...]:
    """The worker processes of an algorithm."""
    args = WorkerArgs(
        algorithm=run.config.id,
        kind=run.config.kind,
        origin=kind.origin,
        params=run.config.params,
        codec=codec,
        memory_max=run.config.memory_max,
    )
    return tuple(
        ChildSpec(
            name=name,
            main="agent.worker.main:main",
            args=args,
            start_timeout_s=run.config.init_timeout_s,
            max_failures=MAX_FAILED_STARTS,
            max_ends=run.config.restarts_per_hour,
        )
        for name in run.workers()
    )


def painter_args(config: AlgorithmConfig, kind: KindFound) -> PainterArgs:
    """Who draws the results of an algorithm."""
    return PainterArgs(
        algorithm=config.id, kind=config.kind, origin=kind.origin, params=config.params, size=config.size
    )


def recorder_spec(
    config: AlgorithmConfig, stream: str, kind: KindFound, recordings: RecordingsConfig, folder: Path
) -> ChildSpec:
    """The process that records an algorithm on a stream; `folder` is that of all recordings."""
    assert config.record is not None  # noqa: S101  others have no recorder
    return ChildSpec(
        name=f"{RECORDER}{config.id}/{stream}",
        main="agent.worker.recorder:main",
        args=RecorderArgs(
            painter=painter_args(config, kind),
            stream=stream,
            folder=folder,
            name=config.record,
            segment_s=recordings.segment_s,
            max_bytes=recordings.max_bytes,
            keep_free_bytes=recordings.keep_free_bytes,
        ),
        start_timeout_s=config.init_timeout_s,
        max_failures=MAX_FAILED_STARTS,
        max_ends=config.restarts_per_hour,
    )


def recorder_sampling(config: AlgorithmConfig, stream: str) -> AlgorithmConfig:
    """The frames that a recorder gets, as the settings of an algorithm; no other has a `/` in its id."""
    return AlgorithmConfig.model_construct(
        id=f"{RECORDER}{config.id}/{stream}",
        kind=config.kind,
        streams=(stream,),
        frame_count=1,
        frame_step=1,
        interval=0.0 if config.record_fps is None else 1.0 / config.record_fps,
        keyframes="never",
    )


def sample_spec(run: Taker) -> SampleSpec:
    """What an algorithm, or a recorder, asks of each of its streams."""
    config = run.config
    width, height = config.size or (0, 0)
    return SampleSpec(
        config.id,
        config.frame_count,
        config.frame_step,
        config.interval,
        config.keyframes,
        width,
        height,
        config.pixel_format,
    )


def frame_format(config: AlgorithmConfig, stream_size: tuple[int, int]) -> FrameFormat:
    """How an algorithm gets its frames; a size of its own, or the stream's (even for nv12)."""
    width, height = config.size or stream_size
    if config.pixel_format == "nv12":
        width, height = width - width % 2, height - height % 2
    return FrameFormat(width, height, config.pixel_format)
