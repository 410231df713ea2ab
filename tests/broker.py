"""A real mosquitto on random loopback ports, that a test may kill and start again."""

import base64
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.certificates import Certificates, make_certificates
from tests.left_out import leave_out
from tests.waiting import eventually

START_S = 10.0
STOP_S = 10.0
PORT_TRIES = 5


def mosquitto_path() -> str | None:
    """Where mosquitto is installed; Debian puts it where the PATH of a user does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """The broker as a process; `with` starts it, and ends it whatever state the test left it in.

    `folder` takes its configuration, log and persistent sessions. `users` maps names to passwords and
    shuts anonymous clients out; `acl` is the text of an ACL file; `tls` adds a listener that wants client
    certificates (see `certificates`); `websockets` adds one for MQTT over WebSocket, and
    `secure_websockets` one over TLS, without client certificates, as browsers have none; `settings` are
    further lines of mosquitto.conf. Ports and sessions are kept over `kill()`, `stop()` and `start()`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tls: bool = False,
        websockets: bool = False,
        secure_websockets: bool = False,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        settings: str = "",
        saves: bool = True,
    ) -> None:
        """Without `saves`, sessions outlive `stop()` but not `kill()`; saving each change is slow."""
        self.folder = folder
        self._saves = saves
        self.certificates: Certificates | None = None
        self._tls = tls
        self._websockets = websockets
        self._secure_websockets = secure_websockets
        self._users = users
        self._acl = acl
        self._settings = settings
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._tls or self._secure_websockets:
            self.certificates = make_certificates(self.folder / "certificates")
        for last in range(PORT_TRIES):
            self._write_configuration()
            try:
                self.start()
            except _EndedError:
                # Somebody took a port between `free_port` and now: try others.
                if last == PORT_TRIES - 1 or "Address already in use" not in self.log():
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._end(signal.SIGKILL)

    @property
    def port(self) -> int:
        """Of the plain listener."""
        return self._ports["plain"]

    @property
    def url(self) -> str:
        """Of the plain listener, without a user."""
        return f"mqtt://127.0.0.1:{self._ports['plain']}"

    @property
    def tls_url(self) -> str:
        """Of the TLS listener; trust `certificates.ca` and show `certificates.client`."""
        return f"mqtts://127.0.0.1:{self._ports['tls']}"

    @property
    def ws_url(self) -> str:
        """Of the WebSocket listener; mosquitto takes any path."""
        return f"ws://127.0.0.1:{self._ports['websockets']}/mqtt"

    @property
    def wss_url(self) -> str:
        """Of the WebSocket listener with TLS; trust `certificates.ca`."""
        return f"wss://127.0.0.1:{self._ports['secure_websockets']}/mqtt"

    @property
    def pid(self) -> int | None:
        """Of the running process; None while it is down."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start on the same ports with the sessions kept; returns when every listener accepts."""
        if self._process is not None:
            raise AssertionError("mosquitto is running already")
        path = mosquitto_path()
        if path is None:
            leave_out("mosquitto is not installed (Debian: apt-get install mosquitto)")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [path, "-c", str(self.folder / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            eventually(self._accepts, START_S, "mosquitto accepts connections")
        except BaseException:
            self._end(signal.SIGKILL)
            raise

    def stop(self) -> None:
        """End it in good order (SIGTERM); it says good-bye to its clients and saves its sessions."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); what changed in its last tenth of a second is lost."""
        self._end(signal.SIGKILL)

    def save(self) -> None:
        """Have it write sessions and retained messages now; they are on disk on return."""
        if self._process is None:
            raise AssertionError("mosquitto is not running")
        database = self.folder / "mosquitto.db"
        # It is replaced by renaming, so a new one has another inode or a later time.
        before = database.stat() if database.exists() else None
        self._process.send_signal(signal.SIGUSR1)

        def replaced() -> bool:
            now = database.stat() if database.exists() else None
            return now is not None and (
                before is None or (now.st_ino, now.st_mtime_ns) != (before.st_ino, before.st_mtime_ns)
            )

        eventually(replaced, STOP_S, "mosquitto has saved its state")

    def log(self) -> str:
        """Everything it has logged, over all its starts."""
        return (self.folder / "mosquitto.log").read_text("utf-8", "replace")

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            raise AssertionError("mosquitto is not running")
        process.send_signal(how)
        try:
            process.wait(STOP_S)
        finally:
            process.kill()
            process.wait()
            self._process = None

    def _accepts(self) -> bool:
        assert self._process is not None
        status = self._process.poll()
        if status is not None:
            raise _EndedError(f"mosquitto ended with status {status}: {self.log()[-2000:]}")
        for port in self._ports.values():
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                continue
            return False
        return True

    def _write_configuration(self) -> None:
        lines = [
            "per_listener_settings false",
            f"allow_anonymous {str(self._users is None).lower()}",
            "persistence true",
            f"persistence_location {self.folder}/",
            # After each change: so sessions outlive even `kill()`.
            f"autosave_interval {1 if self._saves else 3600}",
            f"autosave_on_changes {str(self._saves).lower()}",
            "max_inflight_messages 0",
            "max_queued_messages 1000000",
            "max_packet_size 8388608",
            "set_tcp_nodelay true",
            "connection_messages true",
            self._settings,
        ]
        if os.getuid() == 0:
            lines.append("user root")
        if self._users is not None:
            (self.folder / "passwords").write_text("".join(map(password_line, self._users.items())), "utf-8")
            (self.folder / "passwords").chmod(0o600)
            lines.append(f"password_file {self.folder}/passwords")
        if self._acl is not None:
            (self.folder / "acl").write_text(self._acl, "utf-8")
            (self.folder / "acl").chmod(0o600)
            lines.append(f"acl_file {self.folder}/acl")
        self._ports = {"plain": free_port()}
        lines.append(f"listener {self._ports['plain']} 127.0.0.1")
        if self.certificates is not None and self._tls:
            self._ports["tls"] = free_port()
            lines += [
                f"listener {self._ports['tls']} 127.0.0.1",
                f"cafile {self.certificates.ca}",
                f"certfile {self.certificates.server.certificate}",
                f"keyfile {self.certificates.server.key}",
                "require_certificate true",
            ]
        if self._websockets:
            self._ports["websockets"] = free_port()
            lines += [f"listener {self._ports['websockets']} 127.0.0.1", "protocol websockets"]
        if self.certificates is not None and self._secure_websockets:
            self._ports["secure_websockets"] = free_port()
            lines += [
                f"listener {self._ports['secure_websockets']} 127.0.0.1",
                "protocol websockets",
                f"certfile {self.certificates.server.certificate}",
                f"keyfile {self.certificates.server.key}",
            ]
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", "utf-8")


class _EndedError(Exception):
    """The broker is gone, so waiting for it is pointless."""


def password_line(user: tuple[str, str]) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    name, password = user
    salt, rounds = secrets.token_bytes(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"{name}:$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"
