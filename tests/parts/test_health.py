"""/metrics, /livez and /readyz over real sockets, read as Prometheus reads them."""

import asyncio
import json
import platform
import re
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from http.client import HTTPConnection
from io import StringIO
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from agent import log
from agent.backoff import Backoff
from agent.contract.status import (
    AlgorithmState,
    AlgorithmStatus,
    FrameCounts,
    RecordingStatus,
    Reported,
    SinkState,
    SinkStatus,
    StreamState,
    StreamStatus,
)
from agent.delivery.messages import KINDS, DeliveryCounters
from agent.errors import ConfigError
from agent.health import about, listener, metrics
from agent.health.latency import EDGES_S, Histogram
from agent.health.listener import HealthListener, parse_address
from agent.health.vitals import Vitals
from tests.left_out import leave_out
from tests.waiting import eventually

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
EVERY_COUNTER: dict[str, int | float | str | None] = {
    **{row.name: 100 + place for place, row in enumerate(fields(DeliveryCounters)) if row.name != "dropped"},
    **{f"dropped_{kind}": 200 + place for place, kind in enumerate(KINDS)},
}
REPORT = Reported(
    revision=3,
    epoch=7,
    time=1_790_000_000_000_000,
    streams={
        "door": StreamStatus(
            id="door",
            state=StreamState.RUNNING,
            since=0,
            origin="file",
            source="rtsp://10.0.0.5/",
            fps=25.0,
            fps_decoded=5.0,
            cpu=0.03,
            cpu_s=12.5,
            decode_s=9.25,
            decode_ms=4.5,
            decoded=60,
            key_interval_s=2.0,
            bitrate_bps=4_000_000.0,
            generation=4,
            reopened=2,
            frames=FrameCounts(
                received=150, wanted=100, not_wanted=30, skipped_busy=10, skipped_stale=7, corrupt=3
            ),
        ),
        "gate": StreamStatus(
            id="gate", state=StreamState.RETRYING, since=0, origin="command", source="rtsp://10.0.0.6/"
        ),
    },
    sinks={"cloud": SinkStatus(id="cloud", kind="webhook", state=SinkState.RUNNING, since=0, delivered=7)},
    algorithms={
        "movement": AlgorithmStatus(
            id="movement",
            kind="motion",
            version="1.2",
            state=AlgorithmState.RUNNING,
            since=0,
            origin="file",
            workers=2,
            recordings={"door": RecordingStatus(file="movement/door/a.mp4", frames=9, skipped=2)},
            runs=50,
            results=40,
            failures=6,
            unpackable=4,
            timeouts=3,
            crashes=2,
            restarts=5,
            skipped=9,
            run_ms_mean=12.5,
            run_ms_max=80.0,
            run_cpu_ms=11.0,
            cpu=0.2,
            cpu_s=20.5,
            worker_cpu_s=23.75,
            memory=80_000_000,
            memory_kills=1,
        ),
        "codes": AlgorithmStatus(
            id="codes", kind="codes", state=AlgorithmState.BROKEN, since=0, origin="file"
        ),
    },
    delivery=EVERY_COUNTER,
)


LATENCY = Histogram()
for latency_s in (0.01, 0.015, 0.3, 0.3, 60.0):
    LATENCY.observe(latency_s)
VITALS = Vitals(
    device="gate-7",
    uptime_s=60.0,
    connected=True,
    ticks=58,
    slow_ticks=2,
    lag_s=0.25,
    hung=("delivery",),
    hangs={"delivery": 3, "store": 0},
    commands={"admitted": 8, "refused": 1},
    replies={"200": 7, "409": 1},
    children={"capture": 1, "worker": 2},
    ended={("capture", "silent"): 4, ("worker", "asked"): 0},
    lent_bytes=1_000_000,
    shared_memory_free_bytes=63_000_000,
    disk_free_bytes=5_000_000_000,
    latencies={("door", "movement"): LATENCY},
)


class Seen:
    """What the agent under test says of itself."""

    def __init__(self, report: Reported = REPORT) -> None:
        self.report = report
        self.hangs: str | None = None
        self.reason: str | None = None

    def vitals(self) -> Vitals:
        return replace(VITALS, not_ready=self.reason)

    def listener(self, address: str = "127.0.0.1:0") -> HealthListener:
        return HealthListener(
            address,
            report=lambda: self.report,
            vitals=self.vitals,
            live=lambda: self.hangs,
            ready=lambda: self.reason,
            retry=Backoff(first_s=0.02, cap_s=0.02),
        )


async def exchange(at: tuple[str, int], request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send, read to the end; status, headers and body."""
    reader, writer = await asyncio.open_connection(*at)
    with closing(writer):
        writer.write(request)
        return parts(await reader.read())


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Connection"] == "close"
    return int(first.split(" ")[1]), headers, body


async def get(at: tuple[str, int], path: str) -> tuple[int, dict[str, str], bytes]:
    return await exchange(at, f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())


def play(test: Callable[[tuple[str, int], Seen], Awaitable[None]], seen: Seen | None = None) -> None:
    """Run a test against a listener on a free port."""

    async def whole() -> None:
        state = seen or Seen()
        async with state.listener() as health:
            await test(health.bound[0], state)

    asyncio.run(whole())


def families(text: bytes) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text.decode())}


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Values by name and label values, these in the documented order."""
    order = {name: labels for name, _kind, labels, _doc in metrics.described()}
    return {
        (
            sample.name,
            *(sample.labels[label] for label in order.get(sample.name, ())),
        ): sample.value
        for family in families(text).values()
        for sample in family.samples
    }


@pytest.fixture
def told() -> Iterator[StringIO]:
    """The lines of the log."""
    lines = StringIO()
    log.configure(style="json", stream=lines)
    yield lines
    log.configure()


def events(told: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in told.getvalue().splitlines()]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "TIME_LIMIT_S", 0.2)
    monkeypatch.setattr(listener, "GOODBYE_S", 0.2)


# --- metrics ---


def scraped(seen: Seen | None = None) -> bytes:
    state = seen or Seen()
    return metrics.Metrics(lambda: state.report, state.vitals).exposition()


def test_prometheus_reads_what_the_report_says() -> None:
    async def test(at: tuple[str, int], _: Seen) -> None:
        status, headers, body = await get(at, "/metrics")
        assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        values = samples(body)
        expected: dict[tuple[str, ...], float] = {
            ("vedette_agent_info", "gate-7", about.version(), platform.python_version()): 1,
            ("vedette_agent_uptime_seconds",): 60,
            ("vedette_agent_ticks_total",): 58,
            ("vedette_agent_slow_ticks_total",): 2,
            ("vedette_agent_tick_lag_seconds",): 0.25,
            ("vedette_agent_part_hung", "tick"): 0,
            ("vedette_agent_part_hung", "delivery"): 1,
            ("vedette_agent_part_hung", "store"): 0,
            ("vedette_agent_hangs_total", "delivery"): 3,
            ("vedette_children_running", "worker"): 2,
            ("vedette_children_ended_total", "capture", "silent"): 4,
            ("vedette_commands_total", "admitted"): 8,
            ("vedette_command_replies_total", "409"): 1,
            ("vedette_broker_connected",): 1,
            ("vedette_shared_memory_lent_bytes",): 1_000_000,
            ("vedette_shared_memory_free_bytes",): 63_000_000,
            ("vedette_disk_free_bytes",): 5_000_000_000,
            ("vedette_stream_cpu_seconds_total", "door"): 12.5,
            ("vedette_stream_decode_cpu_seconds_total", "door"): 9.25,
            ("vedette_algorithm_cpu_seconds_total", "movement"): 20.5,
            ("vedette_algorithm_worker_cpu_seconds_total", "movement"): 23.75,
            ("vedette_algorithm_memory_bytes", "movement"): 80_000_000,
            ("vedette_algorithm_memory_kills_total", "movement"): 1,
            ("vedette_agent_ready",): 1,
            ("vedette_agent_epoch",): 7,
            ("vedette_agent_revision",): 3,
            ("vedette_stream_up", "door"): 1,
            ("vedette_stream_up", "gate"): 0,
            ("vedette_stream_state", "gate", "retrying"): 1,
            ("vedette_stream_state", "gate", "running"): 0,
            ("vedette_stream_frames_total", "door", "wanted"): 100,
            ("vedette_stream_frames_total", "door", "not_wanted"): 30,
            ("vedette_stream_frames_total", "door", "skipped_busy"): 10,
            ("vedette_stream_frames_total", "door", "skipped_stale"): 7,
            ("vedette_stream_frames_total", "door", "corrupt"): 3,
            ("vedette_stream_reopened_total", "door"): 2,
            ("vedette_stream_generation", "door"): 4,
            ("vedette_stream_frames_per_second", "door"): 25,
            ("vedette_stream_decoded_frames_per_second", "door"): 5,
            ("vedette_stream_decoded_total", "door"): 60,
            ("vedette_stream_cpu_cores", "door"): 0.03,
            ("vedette_stream_decode_seconds", "door"): 0.0045,
            ("vedette_stream_key_interval_seconds", "door"): 2,
            ("vedette_stream_bytes_per_second", "door"): 500_000,
            ("vedette_algorithm_info", "movement", "motion", "1.2"): 1,
            ("vedette_algorithm_info", "codes", "codes", ""): 1,
            ("vedette_algorithm_state", "codes", "broken"): 1,
            ("vedette_algorithm_workers", "movement"): 2,
            ("vedette_algorithm_runs_total", "movement"): 50,
            ("vedette_algorithm_results_total", "movement"): 40,
            ("vedette_algorithm_failures_total", "movement"): 6,
            ("vedette_algorithm_unpackable_total", "movement"): 4,
            ("vedette_algorithm_timeouts_total", "movement"): 3,
            ("vedette_algorithm_crashes_total", "movement"): 2,
            ("vedette_algorithm_restarts_total", "movement"): 5,
            ("vedette_algorithm_skipped_total", "movement"): 9,
            ("vedette_algorithm_run_mean_seconds", "movement"): 0.0125,
            ("vedette_algorithm_run_max_seconds", "movement"): 0.08,
            ("vedette_algorithm_run_cpu_seconds", "movement"): 0.011,
            ("vedette_algorithm_cpu_cores", "movement"): 0.2,
        }
        assert {key: values.get(key) for key in expected} == expected
        assert ("vedette_stream_frames_per_second", "gate") not in values  # not known is not zero
        assert ("vedette_algorithm_run_mean_seconds", "codes") not in values
        assert values["process_resident_memory_bytes",] > 1e6

    play(test)


def test_frames_add_up() -> None:
    fates = [
        value
        for key, value in samples(scraped()).items()
        if key[:2] == ("vedette_stream_frames_total", "door")
    ]
    assert sum(fates) == REPORT.streams["door"].frames.received


def test_every_counter_of_delivery_is_there() -> None:
    values = {
        key: value for key, value in samples(scraped()).items() if key[0].startswith("vedette_delivery_")
    }
    assert sorted(values.values()) == sorted(
        value for value in EVERY_COUNTER.values() if isinstance(value, int)
    )
    assert values["vedette_delivery_dropped_total", "result"] == EVERY_COUNTER["dropped_result"]
    assert values["vedette_delivery_delivered_total",] == EVERY_COUNTER["delivered"]


def test_what_was_never_dropped_is_zero() -> None:
    values = samples(scraped(Seen(REPORT.model_copy(update={"delivery": {"dropped_event": 2}}))))
    dropped = {kind: values["vedette_delivery_dropped_total", kind] for kind in KINDS}
    assert dropped == {"state": 0, "reply": 0, "event": 2, "result": 0, "metric": 0, "snapshot": 0}


def test_each_scrape_is_of_now() -> None:
    async def test(at: tuple[str, int], seen: Seen) -> None:
        seen.reason = "the broker is away"
        seen.report = Reported(revision=4, epoch=7, time=0)
        values = samples((await get(at, "/metrics"))[2])
        assert values["vedette_agent_ready",] == 0
        assert values["vedette_agent_revision",] == 4
        assert not [key for key in values if key[0].startswith(("vedette_stream", "vedette_algo"))]

    play(test)


def test_names_follow_the_conventions() -> None:
    for name, kind, labels, doc in metrics.described():
        assert re.fullmatch(r"vedette(_[a-z]+){2,}", name)
        assert (kind == "counter") == name.endswith("_total")
        assert not re.search(r"_(ms|bits|bps|fps|milliseconds|count)(_|$)", name), "base units"
        assert doc.endswith(".")
        assert not {"le", "quantile", "job", "instance"} & set(labels)


def test_what_is_described_is_what_is_told() -> None:
    told = families(scraped())
    described = {}
    for name, kind, labels, doc in metrics.described():
        described[name.removesuffix("_total")] = (kind, set(labels), doc)
    own = {name: family for name, family in told.items() if name.startswith("vedette_")}
    assert described == {
        name: (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
            family.documentation,
        )
        for name, family in own.items()
    }


def test_the_document_has_every_metric() -> None:
    rows = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `vedette_")]
    assert rows == [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {doc} |"
        for name, kind, labels, doc in metrics.described()
    ]


def test_latencies_are_a_histogram() -> None:
    told = families(scraped())["vedette_result_latency_seconds"].samples
    assert all((s.labels["stream"], s.labels["algorithm"]) == ("door", "movement") for s in told)
    upto = {s.labels["le"]: s.value for s in told if s.name.endswith("_bucket")}
    assert list(upto) == [*map(str, EDGES_S), "+Inf"]
    assert list(upto.values()) == [1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 5]
    assert [s.value for s in told if s.name.endswith("_count")] == [5]
    assert [s.value for s in told if s.name.endswith("_sum")] == [pytest.approx(60.625)]


def test_promtool_has_nothing_to_say() -> None:
    """Prometheus' own linter, over all metrics; it gives 3 for what is readable and against the rules."""
    promtool = shutil.which("promtool")
    if promtool is None:
        leave_out("promtool is not installed (Debian: apt-get install prometheus)")
    # ProcessCollector's process_virtual_memory_bytes and its like are not ours, but pass as well.
    for text, code in ((scraped(), 0), (scraped() + b"# TYPE x_total gauge\nx_total 1\n", 3)):
        lint = subprocess.run(
            [promtool, "check", "metrics"], input=text, capture_output=True, timeout=30, check=False
        )
        assert lint.returncode == code, (lint.stdout + lint.stderr).decode()


def test_a_label_is_escaped() -> None:
    hostile = REPORT.algorithms["movement"].model_copy(update={"version": 'a"b\\c\n} 1\nfalse_metric 1'})
    text = scraped(Seen(REPORT.model_copy(update={"algorithms": {"movement": hostile}})))
    assert "false_metric" not in families(text)
    assert samples(text)["vedette_algorithm_info", "movement", "motion", hostile.version or ""] == 1


# --- probes ---


def test_live_and_ready() -> None:
    async def test(at: tuple[str, int], seen: Seen) -> None:
        assert (await get(at, "/livez"))[::2] == (200, b"OK\n")
        assert (await get(at, "/readyz"))[::2] == (200, b"OK\n")
        seen.hangs, seen.reason = "hangs: delivery", "the broker cannot be reached"
        assert (await get(at, "/livez"))[::2] == (503, b"hangs: delivery\n")
        status, headers, body = await get(at, "/readyz?verbose")
        assert (status, body) == (503, b"the broker cannot be reached\n")
        assert headers["Content-Type"] == "text/plain; charset=utf-8"

    play(test)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"GET /metrics/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"HEAD /livez HTTP/1.1\r\n\r\n", 405),
        (b"DELETE /readyz HTTP/1.1\r\n\r\n", 405),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS, more or less
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /metrics HTTP/1.1\r\n" + b"X-Pad: 0123456789\r\n" * 9000 + b"\r\n", 431),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else str(value),
)
def test_anything_else_is_refused(request_: bytes, status: int) -> None:
    async def test(at: tuple[str, int], _: Seen) -> None:
        answered, headers, _body = await exchange(at, request_)
        assert answered == status
        assert headers.get("Allow") == ("GET" if status == 405 else None)
        assert (await get(at, "/livez"))[0] == 200

    play(test)


def test_a_request_may_come_in_pieces() -> None:
    async def test(at: tuple[str, int], _: Seen) -> None:
        reader, writer = await asyncio.open_connection(*at)
        with closing(writer):
            for byte in b"GET /livez HTTP/1.1\r\n\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
            assert parts(await reader.read())[0] == 200

    play(test)


@pytest.mark.parametrize("sent", [b"", b"GET /met"])
def test_who_leaves_early_is_no_trouble(sent: bytes, told: StringIO) -> None:
    async def test(at: tuple[str, int], _: Seen) -> None:
        reader, writer = await asyncio.open_connection(*at)
        with closing(writer):
            writer.write(sent)
            writer.write_eof()
            assert (await reader.read()).startswith(b"HTTP/1.1 400" if sent else b"")
        assert (await get(at, "/livez"))[0] == 200

    play(test)
    assert [line["event"] for line in events(told)] == ["health.listening"]


@pytest.mark.usefixtures("impatient")
def test_who_sends_slowly_is_told_so() -> None:
    async def test(at: tuple[str, int], _: Seen) -> None:
        reader, writer = await asyncio.open_connection(*at)
        with closing(writer):
            writer.write(b"GET /metrics HT")
            assert parts(await reader.read())[0] == 408

    play(test)


@pytest.mark.usefixtures("impatient")
def test_who_does_not_read_holds_nothing_up(told: StringIO) -> None:
    many = {f"s{n}": REPORT.streams["door"] for n in range(5000)}  # more than a socket takes

    async def whole() -> None:
        seen = Seen(REPORT.model_copy(update={"streams": many}))
        async with seen.listener() as health:
            with socket.create_connection(health.bound[0]) as lazy:
                lazy.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                first = await asyncio.to_thread(lazy.recv, 4096)
                length = re.search(rb"Content-Length: (\d+)", first)
                assert length is not None
                assert (await get(health.bound[0], "/livez"))[0] == 200
                await asyncio.to_thread(eventually, lambda: not health._at_work)
                assert len(first) + len(await asyncio.to_thread(read_all, lazy)) < int(length[1])

    asyncio.run(whole())
    assert [line["event"] for line in events(told)] == ["health.listening"]


def read_all(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


@pytest.mark.usefixtures("impatient")
def test_one_connection_too_many_is_turned_away_and_room_comes_back() -> None:
    async def test(at: tuple[str, int], _: Seen) -> None:
        idle = [await asyncio.open_connection(*at) for _ in range(listener.MAX_CONNECTIONS)]
        reader, writer = await asyncio.open_connection(*at)
        with closing(writer):
            status, _headers, body = parts(await reader.read())
            assert (status, body) == (503, b"too many connections\n")
        for waiting, held in idle:
            assert parts(await waiting.read())[0] == 408
            held.close()
        await asyncio.to_thread(eventually, lambda: status_of(at, "/livez") == 200)

    play(test)


def status_of(at: tuple[str, int], path: str) -> int | None:
    """By somebody else's client; None when it is cut off."""
    connection = HTTPConnection(*at, timeout=5)
    with closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except ConnectionError:
            return None


def test_no_connection_outlives_the_block() -> None:
    async def whole() -> None:
        async with Seen().listener() as health:
            at = health.bound[0]
            reader, writer = await asyncio.open_connection(*at)
            assert (await get(at, "/livez"))[0] == 200
        with closing(writer):
            assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*at)

    asyncio.run(whole())


def test_a_report_that_fails_is_logged_and_ends_nothing(told: StringIO) -> None:
    def broken() -> Reported:
        raise RuntimeError("no report")

    async def whole() -> None:
        async with HealthListener(
            "127.0.0.1:0", report=broken, vitals=lambda: VITALS, live=lambda: None, ready=lambda: None
        ) as health:
            reader, writer = await asyncio.open_connection(*health.bound[0])
            with closing(writer):
                writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
                assert await reader.read() == b""
            assert (await get(health.bound[0], "/livez"))[0] == 200

    asyncio.run(whole())
    assert [line["event"] for line in events(told)] == ["health.listening", "health.crashed"]


# --- the address ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:9464", ("::1", 9464)),
        ("[fe80::1%eth0]:65535", ("fe80::1%eth0", 65535)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":9464", "::1:9464", "[]:1", "here", "here:", "h:65536", "h:²", "[::1]"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"health\.listen"):
        parse_address(text)


def test_ipv6() -> None:
    async def whole() -> None:
        async with Seen().listener("[::1]:0") as health:
            assert health.bound[0][0] == "::1"
            assert (await get(health.bound[0], "/readyz"))[0] == 200

    asyncio.run(whole())


def test_no_address_means_nobody_listens(told: StringIO) -> None:
    async def whole() -> None:
        async with Seen().listener("") as health:
            assert health.bound == ()

    asyncio.run(whole())
    assert events(told) == []


def test_a_port_in_use_is_told_once_and_taken_when_it_is_free(told: StringIO) -> None:
    async def whole() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            health = await Seen().listener(f"127.0.0.1:{port}").__aenter__()
            assert health.bound == ()
        try:
            await asyncio.to_thread(eventually, lambda: len(health.bound))
            assert (await get(("127.0.0.1", port), "/livez"))[0] == 200
        finally:
            await health.__aexit__(None, None, None)

    asyncio.run(whole())
    first, *others = events(told)
    assert (first["level"], first["event"]) == ("error", "health.unavailable")
    assert "health.listen = '127.0.0.1:" in str(first["error"])
    assert "address already in use" in str(first["error"])
    assert [line["event"] for line in others] == ["health.listening"]


@pytest.mark.parametrize("address", ["192.0.2.1:9464", "no-such-host.invalid:1", "a..b:1", "h:99999", "::1"])
def test_an_address_that_cannot_be_had_ends_nothing(address: str, told: StringIO) -> None:
    async def whole() -> None:
        async with Seen().listener(address) as health:
            assert health.bound == ()

    asyncio.run(whole())
    assert [line["event"] for line in events(told)] == ["health.unavailable"]
    assert f"health.listen = {address!r}" in str(events(told)[0]["error"])
