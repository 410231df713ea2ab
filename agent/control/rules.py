"""What a source that came over MQTT may be: from agent.toml, asked when it is named and when it is opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.control.addresses import Address, names_of, networks_of, why_refused

if TYPE_CHECKING:
    from agent.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """From `[security]` and `[paths]`; picklable, as capture processes are started with it."""

    schemes: frozenset[str]
    hosts: tuple[str, ...] = ()
    media_roots: tuple[Path, ...] = ()

    @classmethod
    def of(cls, settings: "Settings") -> Self:
        """The rules that agent.toml sets."""
        return cls(
            schemes=frozenset(scheme.lower() for scheme in settings.security.source_schemes),
            hosts=settings.security.source_hosts,
            media_roots=settings.paths.media_roots,
        )

    def names(self, host: str) -> bool:
        """Whether the host is listed by its name: then it may have any address."""
        return host.lower() in names_of(self.hosts)

    def why_not_address(self, host: str, address: Address) -> str | None:
        """Why `host` may not be reached at `address`; None when it may. A clause without a full stop."""
        networks = networks_of(self.hosts)
        why = why_refused(address, networks)
        if why is None and self.hosts and not networks:
            why = "it is not in security.source_hosts"  # which has names alone
        if why is None:
            return None
        shown = host if host.strip("[]") == str(address) else f"{host} ({address})"
        return f"the host {shown} is not allowed: {why}"

    def why_not_addresses(self, host: str, addresses: Iterable[Address]) -> str | None:
        """Why one of the addresses of `host` is refused, and the host with it."""
        return next((why for one in addresses if (why := self.why_not_address(host, one)) is not None), None)

    def holds(self, real: Path) -> bool:
        """Whether a path, its links followed, is in a media root. Raises OSError, RuntimeError (a circle)."""
        return any(real.is_relative_to(root.resolve()) for root in self.media_roots)
