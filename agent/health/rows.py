"""Which metrics there are: tables, and nothing else. docs/metrics.md shows them, and a test compares the two.

The names follow Prometheus' conventions: prefix `vedette_`, seconds and bytes, `_total` for what only grows.
A label has values of a closed set, or is the id of something configured.
"""

import platform
from collections.abc import Mapping
from typing import Final

from agent.contract.status import (
    AlgorithmState,
    AlgorithmStatus,
    FrameCounts,
    Reported,
    StreamState,
    StreamStatus,
)
from agent.health import about
from agent.health.row import Row, by, row
from agent.health.vitals import Vitals

# What delivery, which is above, knows of messages.
MESSAGE_KINDS: Final = ("state", "reply", "event", "result", "metric", "snapshot")


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _bytes(bits: float | None) -> float | None:
    return None if bits is None else bits / 8


def _fates(frames: FrameCounts) -> dict[str, float]:
    # Without `received`, which is their sum: a sum over the label must mean something.
    return frames.model_dump(exclude={"received"})


def _counted(report: Reported, key: str) -> float | None:
    value = report.delivery.get(key)
    return None if isinstance(value, str) else value


def _dropped(report: Reported) -> dict[str, float]:
    # Zeros too: `increase` does not see the first drop of a series that begins with it.
    return {kind: _counted(report, f"dropped_{kind}") or 0 for kind in MESSAGE_KINDS}


REPORT: Final[tuple[Row[Reported], ...]] = (
    row("vedette_agent_epoch", "Start counter of the agent on this device.", lambda r: r.epoch),
    row("vedette_agent_revision", "Grows with every change of streams or algorithms.", lambda r: r.revision),
)

AGENT: Final[tuple[Row[Vitals], ...]] = (
    Row(
        name="vedette_agent_info",
        doc="1; which device this is, and the versions of Vedette and Python.",
        labels=("device", "version", "python"),
        read=lambda v: [((v.device, about.version(), platform.python_version()), 1)],
    ),
    row("vedette_agent_ready", "1 when /readyz says so, else 0.", lambda v: v.not_ready is None),
    row("vedette_agent_uptime_seconds", "Time since the start.", lambda v: v.uptime_s),
    row("vedette_agent_ticks_total", "Looks at every part of the agent.", lambda v: v.ticks),
    row("vedette_agent_slow_ticks_total", "Of these: more than 0.5 s late.", lambda v: v.slow_ticks),
    row(
        "vedette_agent_tick_lag_seconds",
        "How late the last one was: how long the event loop kept it waiting.",
        lambda v: v.lag_s,
    ),
    by(
        "vedette_agent_part_hung",
        "1 while a part hangs and the watchdog is not fed, else 0.",
        "part",
        lambda v: {name: name in v.hung for name in ("tick", *v.hangs)},
    ),
    by("vedette_agent_hangs_total", "Times a part was found hanging.", "part", lambda v: v.hangs),
    by("vedette_children_running", "Child processes that run.", "role", lambda v: v.children),
    Row(
        name="vedette_children_ended_total",
        doc="Child processes that ended, by why.",
        labels=("role", "cause"),
        read=lambda v: v.ended.items(),
    ),
    by(
        "vedette_commands_total",
        "Messages on command topics, by what became of them.",
        "fate",
        lambda v: v.commands,
    ),
    by("vedette_command_replies_total", "Replies to commands, by code.", "code", lambda v: v.replies),
    row("vedette_broker_connected", "1 while there is a connection, else 0.", lambda v: v.connected),
    row("vedette_shared_memory_lent_bytes", "Shared memory that frames have.", lambda v: v.lent_bytes),
    row(
        "vedette_shared_memory_free_bytes",
        "Shared memory that is left.",
        lambda v: v.shared_memory_free_bytes,
    ),
    row(
        "vedette_disk_free_bytes",
        "What may still be written to the disk of paths.state_dir.",
        lambda v: v.disk_free_bytes,
    ),
)

STREAM: Final[tuple[Row[StreamStatus], ...]] = (
    row(
        "vedette_stream_up",
        "1 while frames are coming, else 0; see the state for why.",
        lambda s: s.state is StreamState.RUNNING,
    ),
    by(
        "vedette_stream_state",
        "1 for the state that the stream is in, 0 for the others.",
        "state",
        lambda s: {state.value: s.state is state for state in StreamState},
    ),
    by(
        "vedette_stream_frames_total",
        "Frames that came from the source, by what became of them.",
        "fate",
        lambda s: _fates(s.frames),
    ),
    row("vedette_stream_reopened_total", "Times the source was opened again.", lambda s: s.reopened),
    row(
        "vedette_stream_generation",
        "Grows when the source was opened or its picture changed.",
        lambda s: s.generation,
    ),
    row("vedette_stream_frames_per_second", "Frames that come in, measured.", lambda s: s.fps),
    row(
        "vedette_stream_decoded_frames_per_second",
        "Frames that are decoded, measured.",
        lambda s: s.fps_decoded,
    ),
    row("vedette_stream_decoded_total", "Frames decoded.", lambda s: s.decoded),
    row("vedette_stream_cpu_cores", "Cores that the capture process uses, measured.", lambda s: s.cpu),
    row("vedette_stream_cpu_seconds_total", "CPU time of the capture process.", lambda s: s.cpu_s),
    row(
        "vedette_stream_decode_cpu_seconds_total",
        "Of this: decoding.",
        lambda s: s.decode_s,
    ),
    row(
        "vedette_stream_decode_seconds",
        "CPU time of a decoded frame, measured.",
        lambda s: _seconds(s.decode_ms),
    ),
    row(
        "vedette_stream_key_interval_seconds",
        "Time from key frame to key frame.",
        lambda s: s.key_interval_s,
    ),
    row(
        "vedette_stream_bytes_per_second",
        "Encoded bytes that come in, measured.",
        lambda s: _bytes(s.bitrate_bps),
    ),
)

ALGORITHM: Final[tuple[Row[AlgorithmStatus], ...]] = (
    Row(
        name="vedette_algorithm_info",
        doc="1; which kind it is of, in which version (empty until a worker is ready).",
        labels=("kind", "version"),
        read=lambda a: [((a.kind, a.version or ""), 1)],
    ),
    by(
        "vedette_algorithm_state",
        "1 for the state that the algorithm is in, 0 for the others.",
        "state",
        lambda a: {state.value: a.state is state for state in AlgorithmState},
    ),
    row("vedette_algorithm_workers", "Worker processes that are ready.", lambda a: a.workers),
    row("vedette_algorithm_runs_total", "Calls of run() that came to an end.", lambda a: a.runs),
    row("vedette_algorithm_results_total", "Runs that gave a result.", lambda a: a.results),
    row("vedette_algorithm_failures_total", "Runs that raised.", lambda a: a.failures),
    row("vedette_algorithm_unpackable_total", "Runs whose result cannot be packed.", lambda a: a.unpackable),
    row("vedette_algorithm_timeouts_total", "Runs killed after timeout_s.", lambda a: a.timeouts),
    row(
        "vedette_algorithm_memory_kills_total", "Workers killed beyond memory_max.", lambda a: a.memory_kills
    ),
    row("vedette_algorithm_crashes_total", "Times a worker ended by itself.", lambda a: a.crashes),
    row("vedette_algorithm_restarts_total", "Times a worker was started again.", lambda a: a.restarts),
    row("vedette_algorithm_skipped_total", "Due runs that were left out.", lambda a: a.skipped),
    row(
        "vedette_algorithm_run_mean_seconds",
        "Mean duration of the recent runs.",
        lambda a: _seconds(a.run_ms_mean),
    ),
    row(
        "vedette_algorithm_run_max_seconds",
        "Longest duration of the recent runs.",
        lambda a: _seconds(a.run_ms_max),
    ),
    row(
        "vedette_algorithm_run_cpu_seconds",
        "Mean CPU time of the recent runs, all threads.",
        lambda a: _seconds(a.run_cpu_ms),
    ),
    row("vedette_algorithm_cpu_cores", "Cores that the runs use, measured.", lambda a: a.cpu),
    row("vedette_algorithm_cpu_seconds_total", "CPU time of the runs, all threads.", lambda a: a.cpu_s),
    row(
        "vedette_algorithm_worker_cpu_seconds_total",
        "CPU time of the worker processes in all; looked at every 10 s.",
        lambda a: a.worker_cpu_s,
    ),
    row(
        "vedette_algorithm_memory_bytes",
        "Memory that its workers have for themselves, frames not counted, measured.",
        lambda a: a.memory,
    ),
    by(
        "vedette_recording_active",
        "1 while a stream is being recorded with what the algorithm finds; 0: it should be, and is not.",
        "stream",
        lambda a: {stream: one.file is not None for stream, one in a.recordings.items()},
    ),
    by(
        "vedette_recorded_pictures_total",
        "Pictures that a recorder took.",
        "stream",
        lambda a: {stream: one.frames for stream, one in a.recordings.items()},
    ),
    by(
        "vedette_recording_skipped_total",
        "Pictures due that a recorder had no time for.",
        "stream",
        lambda a: {stream: one.skipped for stream, one in a.recordings.items()},
    ),
)

_DELIVERY: Final[Mapping[str, tuple[str, str]]] = {
    "accepted": ("accepted_total", "Messages taken for delivery."),
    "delivered": ("delivered_total", "Messages acknowledged by the broker."),
    "unmatched": ("unmatched_total", "Of those delivered: nobody was subscribed (MQTT 5 only)."),
    "superseded": ("superseded_total", "States replaced by a newer one before they were sent."),
    "dead": ("dead_total", "Messages refused by the broker, or too large for it."),
    "fleeting_dropped": ("fleeting_dropped_total", "Messages with QoS 0 that could not be sent at once."),
    "sent": ("sent_total", "Publishes, repeats included."),
    "resent": ("resent_total", "Of those sent: not acknowledged before a connection ended."),
    "replayed": ("replayed_total", "Of those sent: accepted while there was no link."),
    "republished": ("republished_total", "States sent again after a new connection."),
    "recovered": ("recovered_total", "Messages on disk that an earlier process left."),
    "waiting": ("waiting_messages", "Messages that wait in memory."),
    "waiting_bytes": ("waiting_bytes", "Bytes that wait in memory."),
    "in_flight": ("in_flight_messages", "Messages sent and not acknowledged yet."),
    "on_disk": ("on_disk_messages", "Messages that wait on disk only."),
    "disk_bytes": ("disk_bytes", "Bytes that the spool has on disk."),
    "disk_writes": ("disk_writes_total", "Messages written to the spool."),
    "disk_errors": ("disk_errors_total", "Batches that did not go to disk, and stayed in memory."),
    "gaps": ("gaps", "Ranges of results and events that are known to be lost."),
    "inbound": ("inbound_total", "Messages that came from the broker."),
    "connects": ("connects_total", "Connections made to the broker."),
    "subscriptions_refused": (
        "subscriptions_refused",
        "Subscriptions that the broker refuses now: commands do not come.",
    ),
    "connects_failed": ("connects_failed_total", "Connections to the broker that failed."),
}
"""Counters of delivery: the metric's name after `vedette_delivery_`, and what it means."""


def _delivery(key: str, name: str, doc: str) -> Row[Reported]:
    return row(f"vedette_delivery_{name}", doc, lambda r: _counted(r, key))


DELIVERY: Final[tuple[Row[Reported], ...]] = (
    *(_delivery(key, name, doc) for key, (name, doc) in _DELIVERY.items()),
    by("vedette_delivery_dropped_total", "Messages dropped because a limit was reached.", "kind", _dropped),
)

LATENCY: Final = (
    "vedette_result_latency_seconds",
    "From the capture of the newest frame to the result.",
    ("stream", "algorithm"),
)
"""The one histogram: name, meaning and labels."""
