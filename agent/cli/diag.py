"""`vedette diag`: a diagnosis of a device, fetched over MQTT into a file here."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.call import clean_lines
from agent.cli.keys import ExpiresOption, KeyOption, SignOption, signer_of
from agent.cli.options import BrokerOption, ConfigOption, JsonOption, settings_with, visit
from agent.client.asking import Asking, Whom
from agent.client.synchronous import visitor_id
from agent.config.secret import Secrets
from agent.contract.commands import Diagnosed
from agent.contract.topic import is_id
from agent.contract.topics import Topics
from agent.delivery.messages import Inbound
from agent.errors import VedetteError


def diag(  # noqa: PLR0913  the command's options
    device: Annotated[str, typer.Argument(help="Device to ask.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to write it; else a name with the time."),
    ] = None,
    *,
    stacks: Annotated[
        bool, typer.Option(help="Ask every process for its stacks; those that hang take two seconds.")
    ] = True,
    timeout_s: Annotated[
        float, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for all of it.")
    ] = 60.0,
    sign: SignOption = None,
    key: KeyOption = None,
    expires_s: ExpiresOption = 60.0,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Fetch from a device what helps to find out what is wrong: a tar.gz of texts, without secrets.

    Configuration, states, last errors and log lines, processes with their stacks, shared memory, descriptors,
    limits and disks.
    """
    if not is_id(device):
        raise typer.BadParameter("an id is 1 to 64 letters, digits, `_`, `.` or `-`", param_hint="DEVICE")
    signer = signer_of(sign, key, expires_s)
    settings = settings_with(config, broker)
    prefix, name = settings.broker.topic_prefix, visitor_id()
    parts = _Parts(Topics(prefix, device), name)
    deadline_s = time.monotonic() + timeout_s
    with visit(settings, Secrets(settings.paths.secrets), name) as client:
        asking = Asking(
            client,
            prefix,
            Whom(device=device),
            name,
            signer=signer,
            also=[parts.filter],
            aside=parts.take,
        )
        reply = asking.one("diag", {"to": "mqtt", "stacks": stacks}, timeout_s)
        if not reply.ok:
            why = clean_lines(reply.error or "no reason given")
            raise VedetteError(f"{device} refuses diag ({reply.code}): {why}")
        told = Diagnosed.model_validate(reply.data)
        while parts.missing(told) and time.monotonic() < deadline_s:
            for message in client.receive(deadline_s - time.monotonic()):
                parts.take(message)
    data = parts.whole(told)
    path = out or Path(told.name)
    _write(path, data)
    if as_json:
        typer.echo(json.dumps({"path": str(path), "bytes": told.bytes, "sha256": told.sha256}))
    else:
        typer.echo(f"{path} ({told.bytes / 1e3:.0f} kB); look into it with: tar -tzf {path}")


class _Parts:
    """The parts of one diagnosis, in whatever order they come; a part may come twice."""

    def __init__(self, topics: Topics, request: str) -> None:
        self.filter = topics.diag_parts(request)
        self._topics = topics
        self._request = request
        self._parts: dict[int, bytes] = {}

    def take(self, message: Inbound) -> None:
        """Keep the message if it is a part."""
        number = self._topics.part_of(message.topic, self._request)
        if number is not None:
            self._parts[number] = message.payload

    def missing(self, told: Diagnosed) -> list[int]:
        """Numbers of the parts that have not come."""
        return [number for number in range(1, (told.parts or 0) + 1) if number not in self._parts]

    def whole(self, told: Diagnosed) -> bytes:
        """All parts put together. Raises VedetteError when some are missing or damaged."""
        if missing := self.missing(told):
            raise VedetteError(
                f"{len(missing)} of {told.parts} parts did not come in time: try a longer --timeout, or "
                f"`vedette call {self._topics.device} diag`, which leaves the file on the device"
            )
        data = b"".join(self._parts[number] for number in range(1, (told.parts or 0) + 1))
        if hashlib.sha256(data).hexdigest() != told.sha256:
            raise VedetteError("what came is not what was sent (the SHA-256 differs): ask again")
        return data


def _write(path: Path, data: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as err:
        raise VedetteError(f"{path} cannot be written: {err.strerror}") from err
