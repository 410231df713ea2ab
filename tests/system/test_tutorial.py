"""The tutorials do what they say: all their commands and code, in order, with a real agent and broker."""

from pathlib import Path

import pytest

from tests.broker import Mosquitto
from tests.environment import ROOT, Environment
from tests.system.tutorial import Reader, blocks


@pytest.mark.timeout(240)
def test_the_first_algorithm(tmp_path: Path, broker: Mosquitto) -> None:
    """But for the broker's port, and the addresses of a second agent on this machine, all is as it stands."""
    environment = Environment(tmp_path / "environment")
    folder = tmp_path / "home"
    folder.mkdir()
    variables = {
        "VEDETTE_BROKER__URL": broker.url,
        "VEDETTE_PATHS__STATE_DIR": str(tmp_path / "state"),
        "VEDETTE_HEALTH__LISTEN": "",
    }
    with Reader(environment, folder, variables) as reader:
        for block in blocks(ROOT / "docs" / "first-algorithm.md"):
            reader.follow(block)
    assert reader.commands > 12
    assert reader.compared > 10
