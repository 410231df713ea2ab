"""What a simulated device says. Device, times and numbers are those that are exchanged when it is sent."""

import random
from collections.abc import Mapping

from pydantic import JsonValue

from agent.contract.codec import pack_data
from agent.contract.digest import Digest
from agent.contract.info import Hardware, Info, KindInfo, LimitsInfo, VerbInfo
from agent.contract.result import ResultHead, pack_result
from agent.contract.status import (
    AlgorithmState,
    AlgorithmStatus,
    DeviceState,
    DeviceStatus,
    FrameCounts,
    Reported,
    StreamState,
    StreamStatus,
)
from agent.contract.verbs import VERBS
from agent.errors import Cause
from algos.base import BaseAlgo
from algos.codes import Codes
from algos.motion import Motion
from algos.quality import Quality
from tests.fleet.packet import DEVICE, NUMBER, TIME

KINDS: Mapping[str, type[BaseAlgo]] = {"motion": Motion, "codes": Codes, "quality": Quality}
STREAMS = ("cam-1", "cam-2", "cam-3", "cam-4")
VARIANTS = 8


def status(state: DeviceState, site: str) -> DeviceStatus:
    """Of a device of a site."""
    labels = {"site": site, "model": "edge-4"}
    return DeviceStatus(
        state=state, epoch=3, time=TIME, version="0.1.0", groups=[site, "outdoor"], labels=labels
    )


def info(site: str) -> Info:
    """As an agent with the kinds that ship tells it."""
    return Info(
        device=DEVICE,
        labels={"site": site, "model": "edge-4"},
        groups=(site, "outdoor"),
        version="0.1.0",
        python="3.11.7",
        platform="Linux 6.1.0 x86_64",
        hardware=Hardware(
            cpu="Intel(R) N100",
            cores=4,
            memory_bytes=16 << 30,
            shared_memory_bytes=8 << 30,
            decoders=("vaapi",),
        ),
        packages={"av": "18.1.0", "numpy": "2.4.1", "msgpack": "1.2.0", "paho-mqtt": "2.2.0"},
        kinds={
            name: KindInfo(
                version=str(kind.version),
                doc=kind.__doc__ or "",
                origin=f"entry-point:{name}",
                params_schema=kind.Params.model_json_schema(),
            )
            for name, kind in KINDS.items()
        },
        commands={
            name: VerbInfo(doc=verb.doc, args_schema=verb.args.model_json_schema())
            for name, verb in VERBS.items()
        },
        limits=LimitsInfo(payload_bytes=262144, commands_per_s=10.0),
    )


def stream(name: str, variant: int) -> StreamStatus:
    """Of a stream; in the first variant the last one ails."""
    chance = random.Random(f"{name} {variant}")  # noqa: S311  for variety
    ails = variant == 0 and name == STREAMS[-1]
    return StreamStatus(
        id=name,
        state=StreamState.RETRYING if ails else StreamState.RUNNING,
        since=TIME,
        origin="file",
        source=f"rtsp://10.20.30.{variant}/{name}/stream1",
        cause=Cause.REFUSED if ails else None,
        error="rtsp://10.20.30.0/cam-4/stream1: nobody listens there" if ails else None,
        retry_in_s=12.5 if ails else None,
        backend="pyav",
        hwaccel="none",
        width=1920,
        height=1080,
        codec="h264",
        fps=0.0 if ails else round(25 + chance.uniform(-0.5, 0.5), 2),
        fps_decoded=0.0 if ails else round(5 + chance.uniform(-0.5, 0.5), 2),
        bitrate_bps=round(4e6 * chance.uniform(0.9, 1.1)),
        cpu=round(chance.uniform(0.05, 0.2), 3),
        cpu_s=1234.5,
        decode_s=987.6,
        decode_ms=round(chance.uniform(4, 9), 2),
        decoded=NUMBER,
        key_interval_s=2.0,
        generation=1,
        reopened=variant,
        frames=FrameCounts(
            received=NUMBER, wanted=NUMBER, not_wanted=NUMBER, skipped_busy=17, skipped_stale=3, corrupt=1
        ),
    )


def _algorithm(kind: str, variant: int) -> AlgorithmStatus:
    chance = random.Random(f"{kind} {variant}")  # noqa: S311  for variety
    broken = variant == 1 and kind == "codes"
    return AlgorithmStatus(
        id=kind,
        kind=kind,
        version="1",
        state=AlgorithmState.BROKEN if broken else AlgorithmState.RUNNING,
        since=TIME,
        origin="file",
        streams=STREAMS,
        workers=0 if broken else 1,
        runs=NUMBER,
        results=NUMBER,
        failures=12 if broken else 0,
        run_ms_mean=round(chance.uniform(5, 20), 2),
        run_ms_max=round(chance.uniform(20, 60), 2),
        runs_per_s=round(chance.uniform(7, 8), 2),
        run_cpu_ms=round(chance.uniform(5, 20), 2),
        cpu=round(chance.uniform(0.05, 0.3), 3),
        cpu_s=2345.6,
        worker_cpu_s=2400.1,
        memory=123_000_000,
        error="RuntimeError: no luck" if broken else None,
        traceback="Traceback (most recent call last):\n  …\nRuntimeError: no luck" if broken else None,
        error_time=TIME if broken else None,
    )


def reported(variant: int) -> Reported:
    """Everything that runs on a device."""
    return Reported(
        revision=NUMBER,
        epoch=3,
        time=TIME,
        streams={name: stream(name, variant) for name in STREAMS},
        algorithms={kind: _algorithm(kind, variant) for kind in KINDS},
        delivery={
            "accepted": NUMBER,
            "delivered": NUMBER,
            "sent": NUMBER,
            "waiting": variant,
            "on_disk": 0,
            "in_flight": variant,
            "connects": 2,
            "connects_failed": 1,
            "gaps": 0,
            "dead": 0,
            "dropped_result": 0,
            "dropped_event": 0,
        },
    )


def digest(variant: int) -> Digest:
    """The numbers of a device."""
    chance = random.Random(variant)  # noqa: S311  for variety
    return Digest(
        time=TIME,
        epoch=3,
        version="0.1.0",
        uptime_s=86400.0,
        ready=True,
        slow_ticks=variant,
        streams=4,
        streams_running=3 if variant == 0 else 4,
        streams_ailing=1 if variant == 0 else 0,
        algorithms=3,
        algorithms_ailing=1 if variant == 1 else 0,
        fps=round(chance.uniform(99, 101), 2),
        fps_decoded=round(chance.uniform(19, 21), 2),
        frames=NUMBER,
        skipped_busy=17,
        skipped_stale=3,
        corrupt=1,
        runs=NUMBER,
        results=NUMBER,
        failures=0,
        latency_s_p50=round(chance.uniform(0.03, 0.05), 4),
        latency_s_p95=round(chance.uniform(0.06, 0.12), 4),
        cpu_s=34567.8,
        memory=210_000_000,
        shared_memory_free=7 << 30,
        disk_free=40 << 30,
        children_ended=0,
        reopened=variant,
        connects=2,
        delivered=NUMBER,
        waiting=variant,
        dropped=0,
        dead=0,
    )


def result(stream: str, kind: str, variant: int) -> bytes:
    """The envelope as a device packs it: `seq` and `frame` are numbers, `time` a time."""
    head = ResultHead(
        device=DEVICE,
        epoch=3,
        seq=NUMBER,
        stream=stream,
        algorithm=kind,
        kind=kind,
        version="1",
        frame=NUMBER,
        pts=12345.68 + variant,
        time=TIME,
        latency_ms=31.25 + variant,
        skipped=0,
    )
    return pack_result(head, pack_data(_found(kind, random.Random(f"{stream} {kind} {variant}"))))  # noqa: S311  for variety


def _found(kind: str, chance: random.Random) -> JsonValue:
    x, y = chance.uniform(0, 0.7), chance.uniform(0, 0.7)
    match kind:
        case "motion":
            regions: list[JsonValue] = [
                [x, y, x + chance.uniform(0.05, 0.3), y + chance.uniform(0.05, 0.3), chance.random()]
                for _ in range(chance.randrange(1, 5))
            ]
            return {
                "moving": True,
                "share": round(chance.random(), 4),
                "regions": regions,
                "scene_change": False,
                "learning": False,
            }
        case "codes":
            corners: list[JsonValue] = [[x, y], [x + 0.1, y], [x + 0.1, y + 0.1], [x, y + 0.1]]
            code: JsonValue = {
                "type": "qr",
                "format": "qr",
                "text": f"box {chance.randrange(10**6)}",
                "id": None,
                "corners": corners,
            }
            return {"codes": [code], "count": 1}
    return {
        "ok": True,
        **dict.fromkeys(("black", "frozen", "blurred", "over_exposed", "under_exposed", "moved"), False),
        "brightness": round(255 * chance.random(), 2),
        "bright_share": round(0.1 * chance.random(), 4),
        "dark_share": round(0.1 * chance.random(), 4),
        "sharpness": round(chance.random(), 4),
        "still_s": 0.0,
        "offset": None,
        "match": round(chance.random(), 3),
    }
