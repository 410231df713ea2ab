"""The sink `webhook` against a real HTTP server, with every fault that one can have."""

import base64
import http.server
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from agent.errors import SinkBusyError, SinkRefusedError
from agent.sink import kinds
from agent.sink.batch import Outcome, hand_over
from agent.sink.webhook import WebhookSink, signature
from tests.broker import free_port
from tests.certificates import make_certificates
from tests.parts.sink_items import item, items
from tests.receiver import OK, Answer, Receiver, Request

GUIDE = Path(__file__).parents[2] / "docs" / "sinks.md"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@contextmanager
def opened(url: str, **params: Any) -> Iterator[WebhookSink]:  # noqa: ANN401  parameters of any type
    sink = WebhookSink("hook", "gate-7", {"url": url, **params})
    sink.open()
    with closing(sink):
        yield sink


def test_a_batch_is_one_post(receiver: Receiver) -> None:
    with opened(receiver.url, headers={"Authorization": "Bearer abc", "X-Site": "north"}) as sink:
        sink.send([*items(1, 2), item(3, replay=True, data={"n": [1.5, None]})])
    (request,) = receiver.requests
    assert request.path == "/hook"
    assert [result["seq"] for result in request.results] == [1, 2, 3]
    assert [result.get("replay") for result in request.results] == [None, None, True]
    assert request.results[2]["data"] == {"n": [1.5, None]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer abc"
    assert request.headers["x-site"] == "north"
    assert request.headers["vedette-device"] == "gate-7"
    assert request.headers["idempotency-key"] == "gate-7/1.1-1.3"
    assert request.headers["user-agent"].startswith("vedette/")
    assert "vedette-signature" not in request.headers


def test_a_user_in_the_url_becomes_a_header(receiver: Receiver) -> None:
    with opened(receiver.url.replace("://", "://jo:p%40ss@") + "?site=1") as sink:
        sink.send(items(1))
    (request,) = receiver.requests
    assert request.path == "/hook?site=1"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"jo:p@ss"


def test_msgpack(receiver: Receiver) -> None:
    with opened(receiver.url, codec="msgpack") as sink:
        sink.send([item(1), item(2, replay=True, data=b"\xff")])
    (request,) = receiver.requests
    assert request.headers["content-type"] == "application/vnd.msgpack"
    assert [(result["seq"], result.get("replay")) for result in request.results] == [(1, None), (2, True)]
    assert request.results[1]["data"] == b"\xff"


def test_the_same_batch_has_the_same_key_and_body(receiver: Receiver) -> None:
    batch = items(5, 6)
    with opened(receiver.url) as sink:
        sink.send(batch)
        sink.send(batch)
    first, second = receiver.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_one_connection_serves_many_batches() -> None:
    ports = set()

    def answer(_: Request) -> Answer:
        return Answer(status=200, body=b'{"ok": true}')

    with Receiver(answer) as receiver, opened(receiver.url) as sink:
        accept = receiver._server.get_request

        def counting() -> tuple[socket.socket, Any]:
            connection, address = accept()
            ports.add(address)
            return connection, address

        receiver._server.get_request = counting  # type: ignore[method-assign]
        for seq in range(1, 6):
            sink.send(items(seq))
    assert len(ports) == 1


def guide_verifier() -> Callable[..., bool]:
    """The function that docs/sinks.md shows to receivers."""
    (block,) = [
        block
        for block in re.findall(r"^```python\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        if block.startswith("# verify.py")
    ]
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102  our own document
    verify: Callable[..., bool] = names["is_genuine"]
    return verify


def test_signatures_are_verified_as_the_guide_says(receiver: Receiver) -> None:
    is_genuine = guide_verifier()
    with opened(receiver.url, secret="a-secret") as sink:
        sink.send(items(1, 2))
    (request,) = receiver.requests
    header = request.headers["vedette-signature"]
    assert is_genuine("a-secret", header, request.body)
    assert not is_genuine("another", header, request.body)
    assert not is_genuine("a-secret", header, request.body + b" ")
    assert not is_genuine("a-secret", header.replace("v1=", "v1=0"), request.body)
    assert not is_genuine("a-secret", "nonsense", request.body)
    old = signature("a-secret", int(time.time()) - 3_600, request.body)
    assert not is_genuine("a-secret", old, request.body)
    moved = f"t={int(time.time()) + 1}," + header.partition(",")[2]
    assert not is_genuine("a-secret", moved, request.body)


def refusing(*bad: int, status: int = 422) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if any(result["seq"] in bad for result in request.results):
            return Answer(status=status, body=b"no such\nfield")
        return OK

    return answer


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_only_the_culprit_is_refused(receiver: Receiver, status: int) -> None:
    receiver.answer = refusing(3, status=status)
    with opened(receiver.url) as sink:
        outcome = hand_over(sink.send, items(*range(1, 9)), lambda: None)
    at = f"127.0.0.1:{receiver.port}"
    assert outcome == Outcome(settled=8, refused=((2, f"{at} answers {status}: no suchfield"),))
    assert [result["seq"] for result in receiver.taken] == [1, 2, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("answer", "after_s"),
    [
        (Answer(status=500, body=b"oops"), None),
        (Answer(status=503, headers={"Retry-After": "17"}), 17.0),
        (Answer(status=429, headers={"Retry-After": "0"}), 0.0),
        (Answer(status=429, headers={"Retry-After": "soon"}), None),
        (Answer(status=408), None),
        (Answer(status=409), None),
        (Answer(status=401), None),  # it knows nobody here: no fault of a result
        (Answer(status=403), None),
        (Answer(status=404), None),
        (Answer(status=301, headers={"Location": "/elsewhere"}), None),
        (Answer(status=307, headers={"Location": "http://127.0.0.1:1/"}), None),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else "",
)
def test_what_may_be_accepted_later(receiver: Receiver, answer: Answer, after_s: float | None) -> None:
    receiver.answer = lambda _: answer
    with opened(receiver.url) as sink:
        with pytest.raises(SinkBusyError, match=f"answers {answer.status}") as raised:
            sink.send(items(1))
        assert raised.value.retry_after_s == after_s
        assert len(receiver.requests) == 1
        receiver.answer = lambda _: OK
        sink.send(items(1))
    assert len(receiver.taken) == 1


def test_retry_after_may_be_a_date(receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(
        status=503, headers={"Retry-After": formatdate(time.time() + 100, usegmt=True)}
    )
    with opened(receiver.url) as sink, pytest.raises(SinkBusyError) as raised:
        sink.send(items(1))
    assert raised.value.retry_after_s is not None
    assert 50 < raised.value.retry_after_s <= 100


def test_a_server_that_hangs_is_not_waited_for(receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(hang=True)
    with opened(receiver.url, read_timeout_s=0.2) as sink:
        with pytest.raises(SinkBusyError, match=r"no answer from 127.0.0.1:\d+ within 0.2 s"):
            sink.send(items(1))
        receiver.answer = lambda _: OK
        sink.send(items(1))


def test_a_server_that_hangs_up(receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(hang_up=True)
    with opened(receiver.url) as sink, pytest.raises(SinkBusyError, match="ended the connection without"):
        sink.send(items(1))


def test_nobody_listens_there() -> None:
    with (
        opened(f"http://127.0.0.1:{free_port()}/") as sink,
        pytest.raises(SinkBusyError, match=r"127.0.0.1:\d+ cannot be reached: Connection refused"),
    ):
        sink.send(items(1))


def test_a_name_that_nobody_knows() -> None:
    with (
        opened("https://user:pa55word@nobody.invalid/pa55word") as sink,
        pytest.raises(SinkBusyError, match=r"the name in nobody.invalid:443 cannot be resolved") as raised,
    ):
        sink.send(items(1))
    assert "pa55word" not in str(raised.value)


def test_who_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        speaker = threading.Thread(target=speak)
        speaker.start()
        with (
            opened(f"http://127.0.0.1:{listener.getsockname()[1]}/") as sink,
            pytest.raises(SinkBusyError, match=r"HTTP|ended the connection"),
        ):
            sink.send(items(1))
        speaker.join()


class _Accepts(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """Its URL, and the certificate to trust; asks for a client's certificate."""
    certificates = make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server.certificate, certificates.server.key)
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    both = folder / "both.pem"
    both.write_bytes(certificates.client.certificate.read_bytes() + certificates.client.key.read_bytes())
    server = http.server.HTTPServer(("127.0.0.1", 0), _Accepts)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/", certificates.ca
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_tls_is_verified(tmp_path: Path) -> None:
    with tls_server(tmp_path) as (url, ca):
        own = str(tmp_path / "both.pem")
        with opened(url, ca_file=str(ca), cert_file=own) as sink:
            sink.send(items(1))
        with opened(url, cert_file=own) as sink, pytest.raises(SinkBusyError, match="is not trusted"):
            sink.send(items(1))
        with (
            opened(url, ca_file=str(ca)) as sink,
            pytest.raises(SinkBusyError, match=r"no TLS|ended the conn"),
        ):
            sink.send(items(1))


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SinkBusyError, match=r"one of .*/no.pem cannot be used: No such file"):
        WebhookSink("hook", "d", {"url": "https://x/", "ca_file": str(tmp_path / "no.pem")}).open()


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({}, "params.url: is missing"),
        ({"url": "ftp://x/"}, "params.url: must be https:// or http:// and a host"),
        ({"url": "https://"}, "params.url: must be https:// or http:// and a host"),
        ({"url": "https://x:99999/"}, "params.url: is no URL"),
        ({"url": "https://x/ y"}, "params.url: has spaces or control characters in it"),
        ({"url": "https://x/", "urll": 1}, "params.urll: unknown key; did you mean `url`?"),
        ({"url": "https://x/", "codec": "xml"}, "params.codec: must be 'json' or 'msgpack'"),
        (
            {"url": "https://x/", "headers": {"A": "b\r\nC: d"}},
            "params.headers.A: has other characters than printable ASCII in it",
        ),
        ({"url": "https://x/", "read_timeout_s": 0}, "params.read_timeout_s: must be more than 0"),
    ],
)
def test_parameters_that_cannot_be_used(params: dict[str, Any], problem: str) -> None:
    assert kinds.problems(WebhookSink, params) == [problem]


def test_a_header_name_that_is_none() -> None:
    (problem,) = kinds.problems(WebhookSink, {"url": "https://x/", "headers": {"A b:": "c"}})
    assert problem.startswith("params.headers")


def test_a_refusal_shows_no_endless_answer(receiver: Receiver) -> None:
    receiver.answer = lambda _: Answer(status=400, body=b"x" * 1_000_000)
    with opened(receiver.url) as sink, pytest.raises(SinkRefusedError) as raised:
        sink.send(items(1))
    assert len(str(raised.value)) < 300


def test_bodies_are_json_on_the_wire(receiver: Receiver) -> None:
    with opened(receiver.url) as sink:
        sink.send(items(1, 2))
    assert json.loads(receiver.requests[0].body).keys() == {"results"}
