"""I. What it costs a device that somebody looks at its dashboard; how heavy and how quick the page is."""

import contextlib
import gzip
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.figures import Data, Goal, goals, median, spread, table
from benchmarks.processes import watch_cpu
from benchmarks.stage import Stage, camera, stage
from benchmarks.video import clip
from tests.broker import Mosquitto
from tests.fleet import fleet_running
from tests.system.page_parts import DashboardProcess
from tests.system.studio_parts import chromium

TITLE = "I. The dashboard"
BUILT = Path(__file__).parents[1] / "agent" / "dashboard" / "static"
WEIGHT = 300_000  # bytes, the goal
WINDOW_S = 20.0
SETTLE_S = 8.0
DEVICES, RATE = 1000, 5000.0
FRAMES_S = 5.0

_FRAMES = """(seconds) => new Promise((resolve) => {
    const gaps = [];
    let last = performance.now();
    const begun = last;
    const frame = (now) => {
        gaps.push(now - last);
        last = now;
        if (now - begun < seconds * 1000) requestAnimationFrame(frame);
        else resolve(gaps.slice(1));
    };
    requestAnimationFrame(frame);
})"""


def measure(*, quick: bool) -> Data:
    """Cores of an agent with a preview and without, in turns; the page's weight, first data and frames."""
    repetitions = 1 if quick else 3
    cores: dict[str, list[float]] = {"without": [], "with": []}
    with camera(clip(key_frame_every_s=2)) as url, stage() as here:
        here.agent.configure(
            streams=[{"id": "camera", "source": url}],
            algorithms=[{"id": "probe", "kind": "probe", "streams": ["camera"], "interval": 1.0}],
        )
        here.agent.start()
        here.wait_for_first_result()
        time.sleep(SETTLE_S)
        for _ in range(repetitions):
            cores["without"].append(watch_cpu(here.agent.process.pid, WINDOW_S).total)
            _look(here)
            cores["with"].append(watch_cpu(here.agent.process.pid, WINDOW_S).total)
            here.call("preview.stop", {"stream": "camera", "viewer": "bench"})
            time.sleep(SETTLE_S / 4)
            print({name: round(of[-1], 4) for name, of in cores.items()})
    first_s: list[float] = []
    frames_ms: list[list[float]] = []
    with _page_of_many() as (browser, address):
        for _ in range(repetitions):
            page = browser.new_context().new_page()
            began_s = time.monotonic()
            page.goto(address)
            page.locator("a.row").first.wait_for()
            first_s.append(time.monotonic() - began_s)
            page.get_by_role("button", name=f"All {DEVICES}").wait_for()
            frames_ms.append(page.evaluate(_FRAMES, FRAMES_S))
            page.context.close()
    weight = sum(len(gzip.compress(path.read_bytes())) for path in BUILT.rglob("*") if path.is_file())
    return {"cores": cores, "first_s": first_s, "frames_ms": frames_ms, "weight": weight}


def _look(here: Stage) -> None:
    lease_s = min(120.0, WINDOW_S + SETTLE_S)
    wanted = {"stream": "camera", "viewer": "bench", "fps": 2, "max_width": 960, "lease_s": lease_s}
    here.call("preview.start", wanted)
    time.sleep(SETTLE_S / 4)


@contextlib.contextmanager
def _page_of_many() -> Iterator[tuple[Browser, str]]:
    """A browser, and the address of the page at a broker with a busy fleet."""
    with (
        tempfile.TemporaryDirectory(prefix="vedette-bench-") as name,
        Mosquitto(Path(name) / "broker", websockets=True, saves=False) as broker,
        fleet_running(broker.url, devices=DEVICES, rate=RATE),
        DashboardProcess(Path(name), "--broker", broker.ws_url) as dashboard,
        sync_playwright() as playwright,
    ):
        browser = chromium(playwright)
        yield browser, dashboard.url
        browser.close()


def report(data: Data) -> str:
    """The section of RESULTS.md."""
    cores: dict[str, list[float]] = data["cores"]
    frames: list[list[float]] = data["frames_ms"]
    more = [b - a for a, b in zip(cores["without"], cores["with"], strict=True)]
    late = [statistics.quantiles(each, n=20)[-1] for each in frames]
    load = table(
        ["all processes of the agent", "cores"],
        [
            ["nobody looks", spread(cores["without"], 4)],
            ["a preview at 2 a second", spread(cores["with"], 4)],
            ["the preview alone", spread(more, 4)],
        ],
    )
    page = table(
        ["", ""],
        [
            ["first device shown, s", spread(data["first_s"])],
            ["frame, median, ms", spread([median(each) for each in frames], 1)],
            ["frame, 95 of 100, ms", spread(late, 1)],
            ["frame, longest, ms", spread([max(each) for each in frames], 1)],
        ],
    )
    weight = data["weight"]
    light = Goal(
        text="the page, gzipped, 300 kB at most", measured=f"{weight / 1e3:.0f} kB", met=weight <= WEIGHT
    )
    return f"""One RTSP camera 1080p25, a key frame every 2 s, `probe` at 1 Hz; with a preview of 2 pictures
a second, 960 px wide, and without, in turns.

{load}

The page in headless Chromium without a GPU, on the same machine as mosquitto and {DEVICES:,} simulated
devices that publish {RATE:,.0f} messages a second: from the click to the first device and, once all are
there, frame by frame.

{page}

{goals([light])}"""
