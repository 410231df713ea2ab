"""The examples do what they say, on real clips whose contents are known."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import pytest

from agent import infer
from agent.config.algorithms import AlgorithmConfig
from agent.offline.installed import installed

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _modules_go_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a kind is for a process of its own: what it adds there is taken away here."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def results(source: Path | str, example: str, *, until: float | None = None, **settings: Any) -> list[Any]:  # noqa: ANN401
    config = AlgorithmConfig(id="it", kind=str(EXAMPLES / example), **settings)
    runs = list(infer(source, installed([config], None), until=until))
    return [(run.frame, run.time, run.result) for run in runs]


def test_faces_are_those_that_are_there(data_dir: Path) -> None:
    truth = json.loads((data_dir / "ground_truth.json").read_text())["faces-0-1-2-4.mp4"]["frames"]
    model = str(data_dir / "models" / "yunet_n_dynamic.onnx")
    found = results(
        data_dir / "faces-0-1-2-4.mp4", "faces.py", interval=0.3, keyframes="never", params={"model": model}
    )
    assert len(found) == 49
    expected = [next(count for first, last, count in truth if first <= n <= last) for n, _, _ in found]
    wrong = sum(result["count"] != count for (_, _, result), count in zip(found, expected, strict=True))
    assert wrong <= 1
    for _, _, result in found:
        assert len(result["objects"]) == result["count"]
        for face in result["objects"]:
            x1, y1, x2, y2 = face["box"]
            assert x1 < face["points"][2][0] < x2  # the nose
            assert y1 < face["points"][2][1] < y2


def test_people_are_found_when_they_are_there(data_dir: Path) -> None:
    truth = json.loads((data_dir / "ground_truth.json").read_text())["one-by-one-person-detection.mp4"][
        "present"
    ]
    model = str(data_dir / "models" / "yolox_nano.onnx")
    found = results(
        data_dir / "one-by-one-person-detection.mp4",
        "yolo.py",
        interval=2.0,
        params={"model": model, "classes": ["person"], "min_score": 0.5},
    )
    right = 0
    for _, time_s, result in found:
        assert all(one["label"] == "person" for one in result["objects"])
        right += bool(result["count"]) == any(first + 1 < time_s < last - 1.5 for first, last in truth)
    assert right >= 0.85 * len(found)


def test_somebody_is_found_in_all_frames(data_dir: Path) -> None:
    model = str(data_dir / "models" / "yolox_nano.onnx")
    found = results(
        data_dir / "asl-walk.mkv", "yolo.py", interval=0.5, keyframes="never", params={"model": model}
    )
    assert all("person" in {one["label"] for one in result["objects"]} for _, _, result in found)


def test_a_label_that_there_is_not_is_an_error(data_dir: Path) -> None:
    model = str(data_dir / "models" / "yolox_nano.onnx")
    with pytest.raises(ValueError, match="classes: unicorn is none of COCO's 80"):
        results(data_dir / "asl-walk.mkv", "yolo.py", params={"model": model, "classes": ["unicorn"]})


@pytest.mark.parametrize("example", ["faces.py", "yolo.py"])
def test_a_model_that_is_not_there_is_an_error(example: str) -> None:
    with pytest.raises(FileNotFoundError, match="see the parameter `model`"):
        results("test://scene?frames=1", example, params={"model": "none.onnx"})


def test_activity_over_thirty_frames(data_dir: Path) -> None:
    settings: dict[str, Any] = {
        "frame_count": 30,
        "interval": 3.0,
        "size": (160, 90),
        "pixel_format": "gray8",
        "keyframes": "never",
    }
    clip = data_dir / "one-by-one-person-detection.mp4"
    states = {
        round(time_s, 1): result for _, time_s, result in results(clip, "activity.py", until=30, **settings)
    }
    assert states[3.0]["label"] == "still"  # the first three seconds, of which nobody is in
    assert states[9.0]["label"] in {"moving", "busy"}
    assert {result["label"] for result in states.values()} >= {"still", "moving"}
    scene = results("test://scene?frames=60&shapes=3", "activity.py", **settings | {"interval": 0.4})
    assert {result["label"] for _, _, result in scene} <= {"moving", "busy"}
    assert all(result["direction"] for _, _, result in scene)


def test_activity_on_one_frame_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="set frame_count to 30"):
        results("test://scene?frames=1", "activity.py")


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("script", EXAMPLES / "from_stream_infer" / "script.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_script_of_stream_infer_runs(data_dir: Path, tmp_path: Path) -> None:
    model = str(data_dir / "models" / "yunet_n_dynamic.onnx")
    out = tmp_path / "out.mp4"
    assert script().main(str(data_dir / "faces-0-1-2-4.mp4"), model, str(out)) in {4, 5}
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == 435
