"""Which network addresses a source that came over MQTT may have.

An IPv6 address may carry an IPv4 address that some gateway, or this machine, sends the packets to: all
addresses that one can be read as count.
"""

import ipaddress
from collections.abc import Iterable, Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = frozenset(  # where clouds give an instance its credentials
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_THIS_NETWORK = ipaddress.IPv4Network("0.0.0.0/8")


def networks_of(entries: Iterable[str]) -> tuple[Network, ...]:
    """The entries of `source_hosts` that are networks or addresses."""
    return tuple(network for entry in entries if (network := _network(entry)) is not None)


def names_of(entries: Iterable[str]) -> frozenset[str]:
    """The other entries: host names, in small letters."""
    return frozenset(entry.lower() for entry in entries if _network(entry) is None)


def why_refused(address: Address, networks: tuple[Network, ...]) -> str | None:
    """Why a source may not have this address; None when it may.

    Without networks everything may be reached but loopback, link-local, metadata, unspecified, multicast and
    reserved addresses. With networks only these, and still no metadata, unspecified or multicast address
    unless an entry is that very address.
    """
    if not networks:
        return next((why for reading in _readings(address) if (why := _special(reading)) is not None), None)
    plain = next(_readings(address))
    if not any(plain in network for network in networks):
        return "it is not in security.source_hosts"
    if any(network.num_addresses == 1 and plain in network for network in networks):
        return None
    return next((why for reading in _readings(address) if (why := _never(reading)) is not None), None)


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _readings(address: Address) -> Iterator[Address]:
    """The address that packets go to first, then what else it can be read as."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    low = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64 or address in _NAT64_LOCAL or (address in _COMPATIBLE and int(address) > 1):
        yield low
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


def _never(address: Address) -> str | None:
    if address in _METADATA:
        return "it is a metadata address"
    if address.is_unspecified or (isinstance(address, ipaddress.IPv4Address) and address in _THIS_NETWORK):
        return "it is an unspecified address"
    return "it is a multicast address" if address.is_multicast else None


def _special(address: Address) -> str | None:
    why = _never(address)
    if why is not None:
        return why
    if address.is_loopback:
        return "it is a loopback address"
    if address.is_link_local or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local):
        return "it is a link-local address"
    return "it is a reserved address" if address.is_reserved else None
