"""The example in torch, in processes of its own: torch takes seconds and hundreds of megabytes to load."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "torch_faces"


def run(*args: str | Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(str(folder) for folder in (path, ROOT) if folder is not None)
    return subprocess.run(
        [sys.executable, *map(str, args)],
        env=os.environ | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def weights(data_dir: Path, tmp_path: Path) -> Path:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("no torch here: pip install -e '.[torch]'")
    path = tmp_path / "yunet.pt"
    ended = run(FOLDER / "_yunet.py", data_dir / "models" / "yunet_n_dynamic.onnx", path)
    assert ended.returncode == 0, ended.stderr
    return path


def shared(one: list[float], other: list[float]) -> float:
    """Area of both over area of either."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    areas = sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, other))
    return both / (areas - both)


@pytest.mark.heavy
@pytest.mark.timeout(180)
def test_faces_in_torch_are_those_that_opencv_finds(data_dir: Path, weights: Path) -> None:
    model = data_dir / "models" / "yunet_n_dynamic.onnx"
    ended = run(
        *("-m", "agent", "infer", data_dir / "faces-0-1-2-4.mp4", "--out", "-"),
        *("-a", FOLDER.parent / "faces.py", "-p", f"faces.model={model}"),
        *("-a", FOLDER / "torch_faces.py", "-p", f"torch_faces.model={weights}"),
        *("--interval", "0.5", "--frame-count", "3", "--frame-step", "5", "--keyframes", "never"),
    )
    assert ended.returncode == 0, ended.stderr
    truth = json.loads((data_dir / "ground_truth.json").read_text())["faces-0-1-2-4.mp4"]["frames"]
    found: dict[str, dict[int, dict[str, object]]] = {"faces": {}, "torch_faces": {}}
    for line in ended.stdout.splitlines():
        record = json.loads(line)
        found[record["kind"]][record["frame"]] = record["data"]
    assert found["faces"].keys() == found["torch_faces"].keys()
    assert len(found["faces"]) >= 28
    wrong = 0
    for number, result in found["torch_faces"].items():
        # The three frames of the window, 5 apart: nobody is let in or out between one and its truth.
        expected = [
            next(count for first, last, count in truth if first <= place <= last)
            for place in (number - 10, number - 5, number)
        ]
        wrong += result["counts"] != expected
        assert result["count"] == len(result["objects"])  # type: ignore[arg-type]
        others = found["faces"][number]["objects"]
        for face in result["objects"]:  # type: ignore[attr-defined]
            nearest = max(others, key=lambda other: shared(face["box"], other["box"]))  # type: ignore[call-overload]
            assert shared(face["box"], nearest["box"]) > 0.9
            for (x, y), (other_x, other_y) in zip(face["points"], nearest["points"], strict=True):
                assert abs(x - other_x) < 0.01
                assert abs(y - other_y) < 0.01
    assert wrong <= 1


@pytest.mark.heavy
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("params", "words"),
    [
        (["-p", "device=mps"], 'device: torch finds no "mps" here'),
        (["--pixel-format", "rgb24"], 'pixel_format "bgr24", not "rgb24"'),
        (["-p", "model=none.pt"], "see the parameter `model`"),
    ],
)
def test_what_cannot_be_is_said(weights: Path, params: list[str], words: str) -> None:
    scene = "test://scene?frames=1"
    ended = run(
        *("-m", "agent", "infer", scene, "-a", FOLDER / "torch_faces.py", "--interval", "0"),
        *("-p", f"model={weights}", *params),
    )
    assert ended.returncode == 1
    assert words in ended.stderr


def test_without_torch_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('as if it were not installed')\n", encoding="utf-8")
    ended = run(
        *("-m", "agent", "infer", "test://scene?frames=1", "-a", FOLDER / "torch_faces.py", "-p", "model=x"),
        path=tmp_path,
    )
    assert ended.returncode == 1
    assert "torch is missing: pip install 'vedette[torch]'" in ended.stderr
