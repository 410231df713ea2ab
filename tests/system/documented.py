"""The broker of docs/broker.md: its very files, with the folder and the ports of a test."""

import os
import re
import shutil
from pathlib import Path

from tests.broker import Mosquitto, free_port, password_line
from tests.certificates import Authority, Pair

FILES = Path(__file__).parents[2] / "docs" / "mosquitto"
PASSWORDS = {"dashboard": "pa55word-1", "operator": "pa55word-2", "homeassistant": "pa55word-3"}


class DocumentedBroker(Mosquitto):
    """As `Mosquitto`; `issue` makes a device's certificate, and `revoke` ends some, at the next start."""

    def __init__(
        self, folder: Path, certificates: Path | None = None, *, homeassistant: bool = False
    ) -> None:
        """`certificates` is a folder that has them all; else they are made here.

        With `homeassistant` the lines that are commented out for it are in force.
        """
        super().__init__(folder)
        self._homeassistant = homeassistant
        folder.mkdir(parents=True)
        self.authority = Authority(folder, "ca")
        self.authority.issue("server", server=True)
        self.revoke()
        if certificates is not None:
            for name in ("ca.crt", "ca.crl", "server.crt", "server.key"):
                shutil.copy(certificates / name, folder / name)

    def issue(self, name: str, *, expired: bool = False) -> Pair:
        """The certificate of a device, by its id."""
        return self.authority.issue(name, expired=expired)

    def revoke(self, *pairs: Pair) -> None:
        """These certificates are no longer valid, and all others are."""
        self.authority.revoke(*pairs)

    @property
    def devices_url(self) -> str:
        """Where devices come in."""
        return f"mqtts://127.0.0.1:{self._ports['devices']}"

    def people_url(self, user: str) -> str:
        """Where people come in."""
        return f"mqtts://{user}:{PASSWORDS[user]}@127.0.0.1:{self._ports['people']}"

    def _write_configuration(self) -> None:
        self._ports = {"devices": free_port(), "people": free_port()}
        text = (FILES / "mosquitto.conf").read_text("utf-8")
        for what, port in (("devices", "8883"), ("people", "8884")):
            assert text.count(f"listener {port}\n") == 1
            text = text.replace(f"listener {port}\n", f"listener {self._ports[what]} 127.0.0.1\n")
        text = text.replace("/etc/mosquitto/vedette/", f"{self.folder}/")
        # What Debian's own mosquitto.conf says before it includes this one.
        first = f"persistence_location {self.folder}/\n"
        first += "user root\n" if os.getuid() == 0 else ""
        (self.folder / "mosquitto.conf").write_text(first + text, "utf-8")
        for name in ("acl-devices", "acl-people"):
            rights = (FILES / name).read_text("utf-8")
            if self._homeassistant:
                rights = re.sub(r"^#(?=pattern |topic |user )", "", rights, flags=re.MULTILINE)
            (self.folder / name).write_text(rights, "utf-8")
        (self.folder / "passwords").write_text("".join(map(password_line, PASSWORDS.items())), "utf-8")
        for name in ("acl-devices", "acl-people", "passwords"):
            (self.folder / name).chmod(0o600)
