"""Whether the keys that may sign commands do what they seem to."""

import datetime as dt
from collections.abc import Iterator

from agent.cli.findings import Finding, doubtful, right
from agent.config.keys import ANY, KeyConfig, covers
from agent.config.settings import Settings
from agent.contract.verbs import VERBS


def keys(settings: Settings) -> list[Finding]:
    """One line a key, or one for each doubt about it; none without keys. Unusable ones are told before."""
    security = settings.security
    today = dt.datetime.now(dt.UTC).date()
    found = []
    for name, key in security.keys.items():
        doubts = list(_doubts(name, key, settings.device.groups, today))
        until = "" if key.expires is None else f" until {key.expires}"
        found += doubts or [right("key", f"may sign {', '.join(key.verbs)}{until}", name)]
    if security.keys and not security.require_signature:
        advice = "set security.require_signature = true when everybody who commands has learned to sign"
        found.append(doubtful("signatures", "are not required: they protect nothing", advice))
    return found


def _doubts(name: str, key: KeyConfig, groups: tuple[str, ...], today: dt.date) -> Iterator[Finding]:
    if not key.valid_on(today):
        yield doubtful("key", f"expired on {key.expires}", "make a new one: `vedette keys new`", name)
    for pattern in key.verbs:
        if not any(covers(pattern, verb) for verb in VERBS):
            yield doubtful("key", f"{pattern} is no verb", f"there are {', '.join(VERBS)}", name)
    if not key.verbs:
        yield doubtful("key", "may not use any verb", "name some in verbs, or take the key away", name)
    for group in key.groups:
        if group not in (ANY, *groups):
            advice = f"its groups are {', '.join(groups) or 'none'}: see device.groups"
            yield doubtful("key", f"this device is not in group {group}", advice, name)
