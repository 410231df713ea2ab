"""Whether every source opens and gives a picture: each in a real capture process, with a time limit."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from agent.cli.findings import Finding, doubtful, right, wrong
from agent.config.secret import Secret, Secrets
from agent.config.settings import Settings
from agent.config.streams import StreamConfig
from agent.errors import Cause, SecretError
from agent.ipc.message import Message
from agent.ipc.messages import Ended, Opened, SnapshotTaken, Stop, TakeSnapshot, Trouble
from agent.supervise.child import Child
from agent.supervise.specs import CAPTURE_MAIN, capture_args

AT_ONCE = 8  # sources that are opened at the same time
_ASK_EVERY_S = 0.1
_GRACE_S = 3.0
_ADVICE = {
    Cause.AUTH: "check user name and password in the source; many cameras lock out after a few wrong ones",
    Cause.NOT_FOUND: "check the path: a camera's manual names those of its streams; a file must be readable",
    Cause.REFUSED: "is the camera on, and are host and port right? try it from this machine",
    Cause.TIMEOUT: 'check the network; try rtsp_transport = "udp" or "tcp", or a longer open_timeout_s',
    Cause.CODEC: 'set the camera to H.264 or HEVC, or try backend = "opencv"',
    Cause.CORRUPT: "what comes is not video, or damaged: check the source and the network",
    Cause.FORBIDDEN: "it leads to a host or a file that agent.toml does not allow",
    Cause.ENDED: "it ends before its first picture: is the file complete?",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of opening a source: a picture, or a cause and a reason."""

    opened: Opened | None = None
    cause: Cause | None = None
    reason: str = ""


async def look_at_all(settings: Settings, secrets: Secrets) -> dict[str, Look]:
    """Open all sources but the paused ones; those whose secrets are missing are left out."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(stream: StreamConfig) -> tuple[str, Look] | None:
        try:
            url = secrets.expand(stream.source, url="://" in stream.source)
        except SecretError:
            return None
        async with gate:
            look = await _look(stream, url)
        return stream.id, Look(opened=look.opened, cause=look.cause, reason=secrets.redact(look.reason))

    looked = await asyncio.gather(*(one(stream) for stream in settings.streams if not stream.paused))
    return dict(filter(None, looked))


def sources(settings: Settings, looks: Mapping[str, Look]) -> list[Finding]:
    """What to say of each stream."""
    found = []
    for stream in settings.streams:
        look = looks.get(stream.id)
        if stream.paused:
            found.append(right("source", "is paused, and was not opened", stream.id))
        elif look is None:
            found.append(wrong("source", "was not opened: its secret is missing", "see above", stream.id))
        elif look.cause is not None or look.opened is None:
            cause = look.cause or Cause.TIMEOUT
            found.append(wrong("source", f"{cause.value}: {look.reason}", _ADVICE[cause], stream.id))
        else:
            found.append(_seen(stream, look.opened))
    return found


def _seen(stream: StreamConfig, opened: Opened) -> Finding:
    rate = f"{opened.fps:.4g} fps" if opened.fps else "no rate told"
    text = f"{opened.codec} {opened.width}x{opened.height}, {rate}, {opened.backend}"
    if opened.hwaccel != "none":
        text += f", decoded by {opened.hwaccel}"
    if opened.hwaccel_note:
        advice = f'{opened.hwaccel_note}; hwaccel = "none" says so, or repair the driver'
        return doubtful("source", f"{text}, decoded by the processor", advice, stream.id)
    return right("source", text, stream.id)


async def _look(stream: StreamConfig, url: Secret) -> Look:
    heard: asyncio.Queue[Message | str] = asyncio.Queue()
    over = asyncio.Event()

    def ended(reason: str) -> None:
        over.set()
        heard.put_nowait(reason)

    child = Child(
        CAPTURE_MAIN,
        (capture_args(stream, url), ("error", "auto"), (0, 0)),
        on_message=heard.put_nowait,
        on_exit=ended,
    )
    limit_s = 2 * stream.open_timeout_s + stream.read_timeout_s + _GRACE_S
    try:
        async with asyncio.timeout(limit_s):
            return await _first_picture(child, heard)
    except TimeoutError:
        return Look(cause=Cause.TIMEOUT, reason=f"no picture within {limit_s:g} s")
    finally:
        child.post(Stop())
        await asyncio.shield(_end(child, over))


async def _first_picture(child: Child, heard: asyncio.Queue[Message | str]) -> Look:
    opened: Opened | None = None
    while True:
        match await heard.get():
            case Opened() as opened:
                child.post(TakeSnapshot(0, 50, 160))
            case SnapshotTaken(jpeg=jpeg) if jpeg:
                return Look(opened=opened)
            case SnapshotTaken():  # no picture is decoded yet
                await asyncio.sleep(_ASK_EVERY_S)
                child.post(TakeSnapshot(0, 50, 160))
            case Trouble(cause, text):
                return Look(cause=Cause(cause), reason=text)
            case Ended():
                child.post(TakeSnapshot(0, 50, 160))
            case str(reason):
                return Look(cause=Cause.CODEC, reason=f"the capture process {reason}")


async def _end(child: Child, over: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_GRACE_S):
            await over.wait()
    except TimeoutError:
        child.kill()
        await over.wait()
