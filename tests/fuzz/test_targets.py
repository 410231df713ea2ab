"""Every target, in short: what was kept, and some hundred inputs that hypothesis makes up, always the same.

`make fuzz` is the long form.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.chance import inputs_of
from tests.fuzz.door import Target
from tests.fuzz.inputs import kept
from tests.fuzz.targets import TARGETS

EXAMPLES = {
    "payloads": 800,
    "requests": 1000,
    "signed": 500,
    "topics": 500,
    "decoder": 1000,
    "store": 100,
    "settings": 300,
}
SHORT = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.fixture(params=TARGETS)
def name(request: pytest.FixtureRequest) -> str:
    """The name of each target."""
    return str(request.param)


@pytest.fixture
def target(name: str) -> Iterator[Target]:
    """The target itself."""
    with TARGETS[name].open() as opened:
        yield opened


def test_what_was_kept_breaks_no_promise(name: str, target: Target) -> None:
    inputs = [*TARGETS[name].seeds(), *kept(name)]
    assert len(inputs) > 20
    for data in inputs:
        target(data)


def test_what_is_made_up_breaks_no_promise(name: str, target: Target) -> None:
    count = 0

    @settings(SHORT, max_examples=EXAMPLES[name])
    @given(inputs_of(TARGETS[name]))
    def run(data: bytes) -> None:
        nonlocal count
        count += 1
        target(data)

    run()
    assert count >= EXAMPLES[name]
