"""What streams and algorithms are estimated to cost."""

import math
from typing import Any

import pytest

from agent.sampling import Sampling
from agent.schedule.load import ASSUMED, Load, StreamCost, Task, decoded_hz, estimate, overloaded, runs_hz

COST = StreamCost(fps=25.0, played_fps=25.0, key_interval_s=2.0, decode_s=0.004, base_cores=0.01)


def sampling(interval: float, keyframes: Any = "never", count: int = 1) -> Sampling:  # noqa: ANN401
    return Sampling(count, 1, interval, keyframes)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (sampling(0.0), 25.0),  # every frame
        (sampling(0.0, "auto"), 25.0),
        (sampling(0.08), 24.5),
        (sampling(1.0), 18.75),  # all but the last half second or so of each group
        (sampling(2.0), 12.5),  # half a group each
        (sampling(10.0), 2.5),
        (sampling(4.0, "auto"), 0.25),  # there is a key frame in every two seconds
        (sampling(10.0, "auto"), 0.1),
        (sampling(2.0, "auto"), 6.5),  # half of the runs find one
        (sampling(0.2, "only"), 0.5),
        (sampling(10.0, "only"), 0.1),
        (sampling(10.0, "only", count=3), 0.3),
        (sampling(10.0, "auto", count=3), 5.1),  # the group before is decoded for the older frames
    ],
)
def test_frames_that_a_sampling_makes_the_decoder_decode(asked: Sampling, expected: float) -> None:
    assert decoded_hz(COST, asked) == pytest.approx(expected)


@pytest.mark.parametrize("interval", [0.0, 0.04, 0.2, 1.0, 2.0, 3.0, 10.0, 60.0])
@pytest.mark.parametrize("keyframes", ["never", "auto", "only"])
def test_the_estimate_stays_between_the_runs_and_all_frames(interval: float, keyframes: str) -> None:
    asked = sampling(interval, keyframes)
    runs = runs_hz(COST, asked)
    assert min(runs, 25.0) - 1e-9 <= decoded_hz(COST, asked) <= 25.0


def test_a_stream_that_is_thinned_is_decoded_all_the_same() -> None:
    thinned = StreamCost(fps=25.0, played_fps=1.0, key_interval_s=2.0, decode_s=0.004, base_cores=0.01)
    assert runs_hz(thinned, sampling(0.0)) == 1.0
    assert decoded_hz(thinned, sampling(0.0)) == pytest.approx(25.0)


def test_without_key_frames_everything_is_decoded() -> None:
    endless = StreamCost(fps=25.0, played_fps=25.0, key_interval_s=math.inf, decode_s=0.004, base_cores=0.01)
    assert [decoded_hz(endless, sampling(60.0, mode)) for mode in ("never", "auto")] == [25.0, 25.0]
    assert decoded_hz(endless, sampling(60.0, "only")) == 0.0


def test_a_codec_of_key_frames_alone_decodes_what_it_is_asked_for() -> None:
    mjpeg = StreamCost(fps=25.0, played_fps=25.0, key_interval_s=0.04, decode_s=0.004, base_cores=0.01)
    assert decoded_hz(mjpeg, sampling(1.0)) == pytest.approx(1.0)


def task(algorithm: str, interval: float, run_s: float | None, stream: str = "door") -> Task:
    return Task(stream=stream, algorithm=algorithm, sampling=sampling(interval), run_s=run_s)


def test_algorithms_share_what_is_decoded_and_not_what_they_run() -> None:
    one = estimate({"door": COST}, [task("a", 10.0, 0.1)])
    assert one.cores == pytest.approx(0.01 + 2.5 * 0.004 + 0.01)
    two = estimate({"door": COST}, [task("a", 10.0, 0.1), task("b", 0.0, 0.02)])
    assert two.cores == pytest.approx(0.01 + 25 * 0.004 + 0.01 + 0.5)


def test_what_has_never_run_is_named_and_what_is_not_there_costs_nothing() -> None:
    load = estimate({"door": COST}, [task("new", 10.0, None), task("gone", 0.0, 1.0, stream="yard")])
    assert load.unknown == ("new",)
    assert load.cores == pytest.approx(0.02)
    assert estimate({"door": ASSUMED}, []).cores == ASSUMED.base_cores


def test_only_what_does_not_fit_is_spoken_of() -> None:
    before = Load(cores=1.0, unknown=("old",))
    assert overloaded(Load(cores=1.3, unknown=("old",)), before, 0.4, 2.0) is None
    assert overloaded(Load(cores=0.2), before, 0.0, 2.0) is None  # less is always welcome
    assert overloaded(Load(cores=0.9), before, -0.5, 2.0) is None  # also where there is too much already
    said = overloaded(Load(cores=2.3, unknown=("old", "new")), before, 0.4, 2.0)
    assert said is not None
    assert said.startswith(
        "needs about 1.3 cores, and what new takes, which has never run; 0.4 of 2 are free: "
    )
