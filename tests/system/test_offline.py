"""The same file, the same settings: what the agent finds live is what `infer` finds."""

from pathlib import Path
from typing import Any

import pytest

from agent import Use, infer
from algos.probe import Probe
from tests.broker import Mosquitto
from tests.system.agent_process import AgentProcess
from tests.video import encode
from tests.waiting import eventually
from tests.watcher import Watcher

SETTINGS: dict[str, dict[str, Any]] = {
    "auto": {"interval": 0.4},
    "exact": {"interval": 0.3, "keyframes": "never", "frame_count": 3, "frame_step": 2},
    "keys": {"interval": 0.8, "keyframes": "only", "size": (160, 120)},
    "gray": {"interval": 0.2, "frame_count": 2, "pixel_format": "gray8"},
}


@pytest.mark.parametrize("fps", [None, 10])
def test_live_and_offline_agree(tmp_path: Path, broker: Mosquitto, fps: int | None) -> None:
    video = encode(tmp_path / "walk.mp4", frames=125, gop=20, b_frames=2)
    agent = AgentProcess(tmp_path, broker.url)
    stream: dict[str, Any] = {"id": "walk", "source": str(video)}
    agent.configure(
        streams=[stream if fps is None else stream | {"fps": fps}],
        algorithms=[{"id": name, "kind": "probe", **given} for name, given in SETTINGS.items()],
    )
    with Watcher(broker.url, agent.device) as watcher, agent:
        eventually(
            lambda: (watcher.latest("d/+/s/walk/status") or {}).get("state") == "ended", 30.0, "it ends"
        )
        live = {name: watcher.results("walk", name) for name in SETTINGS}
    uses = [Use(Probe(name), **given) for name, given in SETTINGS.items()]
    offline: dict[str, dict[int, Any]] = {name: {} for name in SETTINGS}
    for run in infer(video, uses, fps=fps):
        offline[run.algorithm][run.frame] = (run.time, run.result)
    for name, results in live.items():
        assert len(results) >= 4
        # What a busy machine skips live it says; all else is the same.
        for result in results:
            if result["skipped"] == 0:
                assert offline[name][result["frame"]] == (result["pts"], result["data"])
        skipped = sum(result["skipped"] for result in results)
        assert len(offline[name]) - 1 <= len(results) + skipped <= len(offline[name]) + 1
