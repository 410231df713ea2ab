"""What is fuzzed: each target takes any bytes, and raises when a promise is broken."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.fuzz import configured, messages, stored
from tests.fuzz.door import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target: how it is opened, where it starts from, and how long its inputs are."""

    name: str
    open: Callable[[], AbstractContextManager[Target]]
    seeds: Callable[[], list[bytes]]
    runs: int  # of a long run
    max_len: int = 4096


TARGETS = {
    row.name: row
    for row in (
        Row(name="payloads", open=messages.payloads, seeds=messages.payload_seeds, runs=450_000),
        Row(name="requests", open=messages.requests_, seeds=messages.numbered, runs=100_000, max_len=512),
        Row(name="signed", open=messages.signed, seeds=messages.numbered, runs=30_000, max_len=512),
        Row(name="topics", open=messages.topics, seeds=messages.numbered, runs=150_000, max_len=256),
        Row(name="decoder", open=messages.decoder, seeds=messages.decoder_seeds, runs=300_000),
        Row(name="store", open=stored.store, seeds=messages.numbered, runs=5_000, max_len=512),
        Row(name="settings", open=configured.settings, seeds=configured.settings_seeds, runs=30_000),
    )
}
