"""`vedette dashboard` and what `vedette demo` serves: bytes that were read at the start, and nothing else."""

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from agent.dashboard import export as exporting
from agent.dashboard import request as requests
from agent.dashboard.errors import DashboardError
from agent.dashboard.files import STATIC, load, names_of
from agent.dashboard.headers import HEADERS
from agent.dashboard.opening import Opening
from agent.dashboard.request import has_tag, takes_gzip
from agent.dashboard.server import MAX_CONNECTIONS, DashboardServer
from agent.delivery.embedded import EmbeddedBroker
from tests.broker import Mosquitto
from tests.environment import ROOT, Environment
from tests.system.page_parts import DashboardProcess, WatchedPage, watched_page
from tests.system.studio_parts import PATIENCE_S
from tests.waiting import eventually

INDEX = """<!doctype html><html lang="en"><head><title>built</title>
<link rel="icon" href="./icon.svg"><link rel="stylesheet" href="./assets/look-abcdEF12.css">
<script type="module" src="./assets/index-0a1B2c3D.js"></script></head>
<body><p id="said">nothing</p></body></html>
"""
SCRIPT = (
    """
// A MQTT 3.1.1 CONNECT by hand, to where config.json says.
const said = document.getElementById("said");
const opening = await (await fetch("./config.json")).json();
if (!opening.broker) { said.textContent = "no broker"; } else {
  const socket = new WebSocket(opening.broker, "mqtt");
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(new Uint8Array(
    [0x10, 15, 0, 4, 77, 81, 84, 84, 4, 2, 0, 30, 0, 3, 97, 98, 99]));
  socket.onmessage = (event) => { said.textContent = Array.from(new Uint8Array(event.data)).join(" "); };
}
"""
    + "// so that it is worth packing\n" * 40
)
LISTENER = """
// Subscribes to all, and counts what comes.
const said = document.getElementById("said");
const opening = await (await fetch("./config.json")).json();
const socket = new WebSocket(opening.broker, "mqtt");
socket.binaryType = "arraybuffer";
let count = 0;
socket.onopen = () => {
  document.title = "open";
  socket.send(new Uint8Array([0x10, 15, 0, 4, 77, 81, 84, 84, 4, 2, 0, 30, 0, 3, 97, 98, 99]));
  socket.send(new Uint8Array([0x82, 6, 0, 1, 0, 1, 35, 0]));
};
socket.onmessage = () => { count += 1; said.textContent = count; };
socket.onclose = () => { document.title = "closed"; };
said.textContent = 0;
"""
CONNACK = "32 2 0 0"
ICON = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/>"
OPENING = Opening(prefix="vedette/v1")


def build(folder: Path) -> Path:
    """A page as Vite writes it."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX, encoding="utf-8")
    (folder / "icon.svg").write_text(ICON, encoding="utf-8")
    (folder / "assets" / "index-0a1B2c3D.js").write_text(SCRIPT, encoding="utf-8")
    (folder / "assets" / "look-abcdEF12.css").write_text("p { color: rgb(1, 2, 3) }\n", encoding="utf-8")
    (folder / "assets" / "plain.js").write_text("export {};\n", encoding="utf-8")
    return folder


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return build(tmp_path / "built")


@pytest.fixture
def served(built: Path) -> Iterator[DashboardServer]:
    """In this process, so that a test may shorten its patience."""
    with DashboardServer(load(built), OPENING, host="127.0.0.1", port=0) as server:
        yield server


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()


def said_to(port: int, sent: bytes) -> bytes:
    """All that comes back for these bytes, until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def vedette(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


# --- what is sent ---------------------------------------------------------------------------------------


def test_the_page_and_its_parts_are_sent_as_what_they_are(served: DashboardServer) -> None:
    for path, kind, caching, text in (
        ("/", "text/html; charset=utf-8", "no-cache", INDEX),
        ("/index.html?from=mail", "text/html; charset=utf-8", "no-cache", INDEX),
        ("/icon.svg", "image/svg+xml", "no-cache", ICON),
        (
            "/assets/index-0a1B2c3D.js",
            "text/javascript; charset=utf-8",
            "public, max-age=31536000, immutable",
            SCRIPT,
        ),
        ("/assets/plain.js", "text/javascript; charset=utf-8", "no-cache", "export {};\n"),
    ):
        answer, body = ask(served.port, path)
        assert (answer.status, body.decode()) == (200, text), path
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Cache-Control"] == caching
        assert answer.headers["Content-Length"] == str(len(body))
        assert answer.headers["Content-Encoding"] is None
        empty, nothing = ask(served.port, path, "HEAD")
        assert nothing == b""
        assert dict(empty.headers) | {"Date": ""} == dict(answer.headers) | {"Date": ""}


def test_every_answer_has_the_headers_that_confine_the_page(served: DashboardServer) -> None:
    for path, method, status in (
        ("/", "GET", 200),
        ("/none", "GET", 404),
        ("/", "POST", 405),
        ("/", "X", 405),
    ):
        answer, _ = ask(served.port, path, method)
        assert answer.status == status
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["Server"] == "vedette"
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy


def test_it_is_packed_for_those_who_take_that(served: DashboardServer) -> None:
    path = "/assets/index-0a1B2c3D.js"
    plain, _ = ask(served.port, path)
    packed, body = ask(served.port, path, Accept_Encoding="br, gzip;q=0.5")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == SCRIPT.encode()
    assert len(body) < len(SCRIPT) / 2
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    refused, body = ask(served.port, path, Accept_Encoding="gzip;q=0, br")
    assert (refused.headers["Content-Encoding"], body) == (None, SCRIPT.encode())


def test_what_a_browser_has_already_is_not_sent_again(served: DashboardServer) -> None:
    first, _ = ask(served.port, "/")
    tag = first.headers["ETag"]
    again, body = ask(served.port, "/", If_None_Match=f'"other", W/{tag}')
    assert (again.status, body) == (304, b"")
    assert again.headers["ETag"] == tag
    assert ask(served.port, "/", If_None_Match='"other"')[0].status == 200
    assert ask(served.port, "/icon.svg", If_None_Match=tag)[0].status == 200


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        *(("gzip", True), ("br, GZIP", True), ("*", True), ("gzip;q=0.001", True), ("gzip; q=1.0", True)),
        *(("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("x-gzipped", False)),
    ],
)
def test_whether_packed_is_taken(accepted: str, takes: bool) -> None:  # noqa: FBT001  a table
    assert takes_gzip(accepted) is takes


def test_tags_are_compared_weakly() -> None:
    assert has_tag('"a", W/"b"', '"b"')
    assert has_tag("*", '"b"')
    assert not has_tag('"a-gz"', '"a"')
    assert not has_tag("", '"a"')


# --- what is not ----------------------------------------------------------------------------------------


def test_hostile_paths_lead_nowhere(built: Path) -> None:
    (built.parent / "secret.txt").write_text("hunter2", encoding="utf-8")
    (built / "leak.txt").symlink_to(built.parent / "secret.txt")
    (built / "linked").symlink_to(built.parent)
    (built / ".hidden").write_text("hunter2", encoding="utf-8")
    (built / "a b.txt").write_text("hunter2", encoding="utf-8")
    assert names_of(built) == (
        *("assets/index-0a1B2c3D.js", "assets/look-abcdEF12.css", "assets/plain.js"),
        *("icon.svg", "index.html"),
    )
    with DashboardServer(load(built), OPENING, host="127.0.0.1", port=0) as server:
        for path in (
            *("/../secret.txt", "/assets/../../secret.txt", "//etc/passwd", "/%2e%2e/secret.txt"),
            *("/..%2fsecret.txt", "/leak.txt", "/linked/secret.txt", "/.hidden", "/assets", "/assets/"),
            *("/a%20b.txt", "/index.html%00.js", "/index.html/", "/INDEX.HTML", "\\..\\secret.txt"),
            *("http://127.0.0.1/secret.txt", "*", "/./index.html", "/" + "a" * 8000),
        ):
            answer = said_to(server.port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 404 "), path
            assert b"hunter2" not in answer
            assert path.encode() not in answer.partition(b"\r\n\r\n")[2], "nothing of a request comes back"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000, 405),
        (b"DELETE /index.html HTTP/1.1\r\n\r\n", 405),
        (b"__init__ / HTTP/1.1\r\n\r\n", 405),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 150 + b"\r\n", 431),
        (b"a" * 200000, 431),
    ],
)
def test_what_is_no_request_for_a_file_is_refused(
    served: DashboardServer, sent: bytes, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert re.match(rb"HTTP/1\.[01] %d " % status, said_to(served.port, sent))
    assert ask(served.port, "/")[0].status == 200
    assert capfd.readouterr() == ("", "")


def test_one_request_a_connection(served: DashboardServer) -> None:
    answer = said_to(served.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


def test_who_sends_too_slowly_is_cut_off(served: DashboardServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "HEAD_LIMIT_S", 0.5)
    with socket.create_connection(("127.0.0.1", served.port), PATIENCE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        client.settimeout(0.1)

        def dripped() -> bytes:
            with contextlib.suppress(TimeoutError):
                return client.recv(1000)
            client.sendall(b"X")
            return b""

        assert eventually(dripped, PATIENCE_S, "an answer").startswith(b"HTTP/1.1 408 ")


def test_who_does_not_take_the_answer_is_cut_off(
    built: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(requests, "ANSWER_LIMIT_S", 0.5)
    (built / "large.bin").write_bytes(os.urandom(30_000_000))
    with DashboardServer(load(built), OPENING, host="127.0.0.1", port=0) as server:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(b"GET /large.bin HTTP/1.1\r\n\r\n")
            eventually(lambda: server.connections == 1)
            eventually(lambda: server.connections == 0, PATIENCE_S, "it is given up")
        assert ask(server.port, "/")[0].status == 200
    assert capfd.readouterr() == ("", "")


def test_connections_are_bounded_and_the_next_is_turned_away(served: DashboardServer) -> None:
    with contextlib.ExitStack() as clients:
        for _ in range(MAX_CONNECTIONS):
            clients.enter_context(socket.create_connection(("127.0.0.1", served.port), PATIENCE_S))
        eventually(lambda: served.connections == MAX_CONNECTIONS)
        one_more = clients.enter_context(socket.create_connection(("127.0.0.1", served.port), PATIENCE_S))
        assert one_more.recv(1000).startswith(b"HTTP/1.1 503 ")
    eventually(lambda: served.connections == 0)
    assert ask(served.port, "/")[0].status == 200


def test_it_ends_though_somebody_holds_a_connection(built: Path) -> None:
    with socket.socket() as client:
        with DashboardServer(load(built), OPENING, host="127.0.0.1", port=0) as server:
            client.connect(("127.0.0.1", server.port))
            eventually(lambda: server.connections == 1)
        client.settimeout(PATIENCE_S)
        assert client.recv(1) == b""


# --- where the page connects to -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, {"broker": None, "user": None, "connect": False}),
        ("ws://10.0.0.2:9001", {"broker": "ws://10.0.0.2:9001", "user": None, "connect": True}),
        ("wss://b.example/mqtt", {"broker": "wss://b.example/mqtt", "user": None, "connect": True}),
        ("wss://[::1]:8885/mqtt", {"broker": "wss://[::1]:8885/mqtt", "user": None, "connect": True}),
        ("wss://Jo%40x@b.example/m", {"broker": "wss://b.example/m", "user": "Jo@x", "connect": False}),
    ],
)
def test_what_the_page_is_told(url: str | None, told: dict[str, object]) -> None:
    opening = Opening.at(url, prefix="site/a", connect=True)
    assert json.loads(opening.json_bytes()) == told | {"prefix": "site/a"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        *(("mqtt://b:1883", "WebSocket"), ("b:9001", "WebSocket"), ("ws://", "no host")),
        *(
            ("ws://b:port", "no URL"),
            ("ws://jo:hunter2@b", "no password"),
            ("ws://b?token=hunter2", "no password"),
        ),
    ],
)
def test_where_no_page_can_connect_to_is_refused(url: str, says: str) -> None:
    with pytest.raises(DashboardError, match=says) as refused:
        Opening.at(url, prefix="vedette/v1", connect=True)
    assert "hunter2" not in str(refused.value)


def test_agent_toml_says_prefix_and_broker_and_none_of_its_secrets(built: Path, tmp_path: Path) -> None:
    for url, told in (
        ("wss://gate-7:hunter2@b.example:8885/mqtt?token=hunter2", "wss://b.example:8885/mqtt"),
        ("ws://{secret:host}:9001", None),
        ("mqtts://gate-7:hunter2@b.example", None),
    ):
        (tmp_path / "agent.toml").write_text(
            f'[broker]\nurl = "{url}"\ntopic_prefix = "site/a"\npassword = "hunter2"\n', encoding="utf-8"
        )
        with DashboardProcess(tmp_path, "--files", str(built)) as dashboard:
            answer, body = ask(dashboard.port, "/config.json")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert json.loads(body) == {"broker": told, "prefix": "site/a", "user": None, "connect": False}
        assert "hunter2" not in dashboard.log()


# --- the command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_good_order(built: Path, tmp_path: Path, number: signal.Signals) -> None:
    with DashboardProcess(tmp_path, "--files", str(built)) as dashboard:
        with socket.create_connection(("127.0.0.1", dashboard.port), PATIENCE_S):
            assert ask(dashboard.port, "/")[0].status == 200
            assert dashboard.end(number) == 0
        assert dashboard.log() == f"Dashboard: {dashboard.url}  (Ctrl-C ends)\n"


def test_what_cannot_be_served_is_one_sentence(built: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, says in (
            (
                ("--port", str(port)),
                f"cannot listen on 127.0.0.1 port {port} (Address already in use): choose",
            ),
            (("--host", "192.0.2.1", "--port", "0"), "cannot listen on 192.0.2.1 port 0 ("),
            (("--host", "no.such.host.invalid"), "no.such.host.invalid is no address of this machine: "),
            (("--files", str(tmp_path)), f"the page is not there: {tmp_path} has no index.html; "),
            (("--broker", "mqtt://b:1883"), "--broker: a browser speaks MQTT over WebSocket: "),
        ):
            done = vedette("dashboard", "--files", str(built), *arguments, cwd=tmp_path)
            assert done.returncode == 1, arguments
            assert done.stderr.startswith(f"vedette: {says}"), done.stderr
            assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_on_another_address_it_warns(built: Path, tmp_path: Path) -> None:
    with DashboardProcess(tmp_path, "--files", str(built), "--host", "0.0.0.0") as dashboard:  # noqa: S104  loopback, too
        assert f"Warning: the page goes to whoever reaches 0.0.0.0 port {dashboard.port}" in dashboard.log()
        assert ask(dashboard.port, "/")[0].status == 200


# --- elsewhere ------------------------------------------------------------------------------------------


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_export_is_the_page_and_is_exchanged_by_the_next(built: Path, tmp_path: Path) -> None:
    site = tmp_path / "www" / "vedette"
    told = ("dashboard", "--files", str(built), "--export", str(site))
    done = vedette(*told, "--broker", "wss://b.example/mqtt", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_in(site) == {*names_of(built), "config.json", exporting.MARK}
    assert (site / "assets" / "index-0a1B2c3D.js").read_text("utf-8") == SCRIPT
    assert (site / "index.html").stat().st_mode & 0o777 == 0o644
    config = (site / "config.json").read_bytes()
    assert json.loads(config)["broker"] == "wss://b.example/mqtt"

    (site / "own.txt").write_text("mine", encoding="utf-8")
    (built / "assets" / "index-0a1B2c3D.js").rename(built / "assets" / "index-9z8Y7x6W.js")
    exporting.export(load(built), OPENING, site)
    assert files_in(site) == {*names_of(built), "config.json", "own.txt", exporting.MARK}
    assert (site / "config.json").read_bytes() == config


def test_a_foreign_folder_is_not_exported_into(built: Path, tmp_path: Path) -> None:
    site = tmp_path / "www"
    site.mkdir()
    (site / "index.html").write_text("mine", encoding="utf-8")
    done = vedette("dashboard", "--files", str(built), "--export", str(site), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"vedette: {site} is not empty, and no export of the page: ")
    assert files_in(site) == {"index.html"}
    assert (site / "index.html").read_text("utf-8") == "mine"


def test_an_export_removes_nothing_outside(built: Path, tmp_path: Path) -> None:
    site = tmp_path / "www"
    exporting.export(load(built), OPENING, site)
    outside = tmp_path / "kept.txt"
    outside.write_text("mine", encoding="utf-8")
    with (site / exporting.MARK).open("a", encoding="utf-8") as mark:
        mark.write(f"../kept.txt\n{outside}\n\n.\n")
    exporting.export(load(built), OPENING, site)
    assert outside.read_text("utf-8") == "mine"


def test_the_guide_shows_the_headers_that_are_sent() -> None:
    guide = (ROOT / "docs" / "dashboard.md").read_text("utf-8")
    for name, value in HEADERS.items():
        quoted = f'"{value}"' if " " in value else value
        assert f"    add_header {name} {quoted} always;\n" in guide, name
        assert f"        {name} {quoted}\n" in guide, name


def test_the_page_is_in_the_wheel(tmp_path: Path) -> None:
    """Built from a copy, since building leaves a folder behind."""
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", "static")
    for package in ("agent", "algos"):
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    build(source / "agent" / "dashboard" / "static")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    done = Environment(tmp_path / "environment").run(
        f"pip wheel -q --no-deps -w {tmp_path} {source}", tmp_path
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("vedette-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    static = source / "agent" / "dashboard" / "static"
    assert {f"agent/dashboard/static/{name}" for name in names_of(static)} <= packed


# --- in a browser ---------------------------------------------------------------------------------------


def test_a_browser_loads_it_and_reaches_the_broker_inside(watched: WatchedPage, built: Path) -> None:
    with EmbeddedBroker() as broker:
        opening = Opening.at(broker.websocket_url, prefix="vedette/v1", connect=True)
        with DashboardServer(load(built), opening, host="127.0.0.1", port=0) as server:
            watched.page.goto(server.url)
            expect(watched.page.locator("#said")).to_have_text(CONNACK)
            expect(watched.page.locator("#said")).to_have_css("color", "rgb(1, 2, 3)")
            watched.page.goto("about:blank")


def test_a_browser_reaches_a_broker_over_tls(page_browser: Browser, built: Path, tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "broker", secure_websockets=True) as broker,
        DashboardServer(
            load(built), Opening.at(broker.wss_url, prefix="x", connect=True), host="127.0.0.1", port=0
        ) as server,
        # An authority that the browser does not know.
        watched_page(page_browser, ignore_https_errors=True) as watched,
    ):
        watched.page.goto(server.url)
        expect(watched.page.locator("#said")).to_have_text(CONNACK)
        watched.page.goto("about:blank")


def test_the_policy_stops_what_is_written_into_the_page(watched: WatchedPage, built: Path) -> None:
    (built / "index.html").write_text(
        "<title>x</title><p id=said>nothing</p><script>said.textContent = 'inline'</script>"
        "<img src='http://192.0.2.1/a.png'><script src='./assets/plain.js' type=module></script>",
        encoding="utf-8",
    )
    with DashboardServer(load(built), OPENING, host="127.0.0.1", port=0) as server:
        watched.page.goto(server.url)
        eventually(lambda: len(watched.complaints) >= 2, PATIENCE_S, "the browser complains")
        expect(watched.page.locator("#said")).to_have_text("nothing")
        watched.page.goto("about:blank")
    assert any("script-src" in text for text in watched.complaints)
    assert any("img-src" in text for text in watched.complaints)
    watched.complaints.clear()
    assert watched.strangers in ([], ["http://192.0.2.1/a.png"])  # it says so, and does not ask
    watched.strangers.clear()


# --- the demo -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "agent", "demo", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def test_the_demo_serves_the_page_and_ends_it() -> None:
    there = (STATIC / "index.html").is_file()
    with demo() as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("Dashboard: "))
        if not there:
            assert line.startswith(f"Dashboard: none, for the page is not there: {STATIC} has no index.html")
            return
        found = re.fullmatch(r"Dashboard: http://127\.0\.0\.1:(\d+)/\n", line)
        assert found is not None, line
        port = int(found[1])
        opening = json.loads(ask(port, "/config.json")[1])
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/mqtt", opening.pop("broker"))
        assert opening == {"prefix": "vedette/v1", "user": None, "connect": True}
        assert ask(port, "/")[0].status == 200
    assert process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE_S)


def test_a_page_at_the_broker_of_the_demo_hears_its_agent_for_long(built: Path, watched: WatchedPage) -> None:
    """The broker inside ends its WebSocket when somebody publishes with properties of MQTT 5."""
    (built / "assets" / "index-0a1B2c3D.js").write_text(LISTENER, encoding="utf-8")
    with demo() as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("Dashboard: "))
        inside = json.loads(ask(int(line.split(":")[3].strip("/\n")), "/config.json")[1])["broker"]
        opening = Opening.at(inside, prefix="vedette/v1", connect=True)
        with DashboardServer(load(built), opening, host="127.0.0.1", port=0) as server:
            watched.page.goto(server.url)
            heard = watched.page.locator("#said")
            eventually(lambda: int(heard.inner_text() or 0) > 20, PATIENCE_S, "results come to the browser")
            assert watched.page.title() == "open"
            watched.page.goto("about:blank")
    assert process.returncode == 0


def test_the_demo_without_it() -> None:
    with demo("--no-dashboard") as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "online" in line:
                break
    assert not [line for line in lines if "Dashboard" in line]
