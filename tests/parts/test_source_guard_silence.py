"""A server that says nothing more, and a process that has no more files: the guard is held up by neither."""

import errno
import socket
import threading
from typing import Self
from urllib.parse import urlsplit

import pytest

from agent.capture.dial import Dialler
from agent.capture.doorway import Doorway
from agent.capture.guard import guard
from agent.control.rules import Rules
from agent.errors import Cause, SourceError
from tests.parts.sources import opened
from tests.servers import listening
from tests.waiting import eventually

RULES = Rules(schemes=frozenset({"http", "https", "rtsps", "rtmps"}), hosts=("127.0.0.1",))
PATIENCE_S = 20.0


def silent(client: socket.socket) -> None:
    """Hear it out, and never answer."""
    while client.recv(4096):
        pass


@pytest.mark.parametrize("scheme", ["https", "rtsps", "rtmps"])
def test_a_server_that_never_answers_the_handshake_of_tls(scheme: str) -> None:
    with listening(silent) as port, pytest.raises(SourceError, match="within the time limit") as caught:
        guard(urlsplit(f"{scheme}://127.0.0.1:{port}/live"), Dialler(RULES, 0.5))
    assert caught.value.cause is Cause.TIMEOUT


def test_a_server_without_tls_is_still_refused() -> None:
    with (
        listening(lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port,
        pytest.raises(SourceError, match="does not speak TLS") as caught,
    ):
        guard(urlsplit(f"https://127.0.0.1:{port}/live"), Dialler(RULES, PATIENCE_S))
    assert caught.value.cause is Cause.REFUSED


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten of 100"])
def test_a_server_that_falls_silent_after_a_request(begun: bytes) -> None:
    def talk(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(begun)
        silent(client)

    with listening(talk) as port:
        url = f"http://127.0.0.1:{port}/a.mp4"
        gate = guard(urlsplit(url), Dialler(RULES, PATIENCE_S, silence_s=0.5))
        try:
            proxy = urlsplit(gate.options["http_proxy"])
            with socket.create_connection(("127.0.0.1", proxy.port or 0), PATIENCE_S) as client:
                client.sendall(f"GET {url} HTTP/1.1\r\n\r\n".encode())
                came = b""
                while more := client.recv(4096):
                    came += more
            assert came.endswith(begun[-10:])
            eventually(lambda: len(_doors()) == 1, what="only the thread that accepts is left")
        finally:
            gate.close()


def test_a_silent_server_is_given_up_by_who_opens_it() -> None:
    with listening(silent) as port, pytest.raises(SourceError) as caught:  # noqa: SIM117
        with opened(f"https://127.0.0.1:{port}/a.mp4", rules=RULES, open_timeout_s=0.5):
            pass
    assert caught.value.cause is Cause.TIMEOUT


def _doors() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "doorway"]


class Short(socket.socket):
    """A listener in a process that has no files left, the first two times."""

    left = 2

    @classmethod
    def at(cls, address: tuple[str, int]) -> Self:
        listener = cls(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(address)
        listener.listen()
        return listener

    def accept(self) -> tuple[socket.socket, object]:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_a_doorway_goes_on_when_there_are_files_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(socket, "create_server", Short.at)
        door = Doorway(lambda client: client.sendall(b"hello\n"))
    try:
        with socket.create_connection(("127.0.0.1", door.port), PATIENCE_S) as client:
            client.settimeout(PATIENCE_S)
            assert client.recv(9) == b"hello\n"
    finally:
        door.close()
    assert not _doors()
