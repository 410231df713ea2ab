#!/usr/bin/env python
"""Make docs/demo.svg: the table of `vedette demo`, as it stands after some seconds of a real run."""

import io
import re
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from agent.cli.board import board
from agent.cli.demo import SCENE
from agent.cli.demo_agent import DEVICE, DemoAgent
from agent.cli.screen import JsonScreen
from agent.cli.watch import follow
from agent.client.observed import Observed
from agent.client.synchronous import visitor_id
from agent.client.watching import Watch
from agent.contract.topics import DEFAULT_PREFIX
from agent.delivery.embedded import EmbeddedBroker
from agent.delivery.endpoint import Endpoint

SECONDS = 14.0
OUT = Path(__file__).parents[1] / "docs" / "demo.svg"


class _Silent(JsonScreen):
    """Shows nothing: only what was observed counts here."""

    def show(self, happening: object) -> None:
        pass


def main() -> None:
    """Run the demo, and draw its table."""
    observed = Observed(DEFAULT_PREFIX, DEVICE)
    console = Console(record=True, width=104, file=io.StringIO(), force_terminal=True)
    with EmbeddedBroker() as broker, DemoAgent(broker.old_url, SCENE, loop=False):
        until_s = time.monotonic() + SECONDS
        endpoint = Endpoint.from_url(broker.old_url, client_id=visitor_id(), protocol="3.1.1")
        with Watch(endpoint, observed) as watch:
            follow(watch, _Silent(), lambda: time.monotonic() > until_s)
    console.print(board(observed, [], Text.assemble(("Vedette demo", "bold"), ("  on ", "dim"), SCENE), ""))
    picture = console.export_svg(title="make demo")
    # Any monospaced font will do: a picture that fetches one from the network is none to commit.
    picture = re.sub(r"@font-face \{[^}]*\}\s*", "", picture).replace("Fira Code, monospace", "monospace")
    OUT.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
