"""A studio as a process, and its page in a real browser, as a person uses it."""

import base64
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import playwright.sync_api
import psutil
from numpy.typing import NDArray
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright, expect

from tests import left_out
from tests.broker import free_port
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
expect.set_options(timeout=PATIENCE_S * 1000)
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    "--disable-features=SpareRendererForSitePerProcess",  # a process that no page began
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

KINDS = '''
"""Kinds that are easy to recognise on a picture."""
from typing import Any, ClassVar, Literal

from algos import BaseAlgo, Frames
from algos.base import Picture
from pydantic import Field


class Paint(BaseAlgo):
    """Paints everything in one colour.

    More about it.
    """

    kind: ClassVar[str] = "paint"

    class Params(BaseAlgo.Params):
        level: int = Field(200, ge=0, le=255, description="How bright.")
        channel: Literal["blue", "green", "red"] = "green"
        spots: list[float] = []

    params: Params

    def init(self) -> None:
        self.runs = 0

    def run(self, frames: Frames) -> dict[str, Any]:
        self.runs += 1
        return {"level": self.params.level, "runs": self.runs, "at": {"frame": frames.numbers[-1]}}

    def draw(self, image: Picture, result: Any) -> None:
        image[:] = 0
        image[:, :, ("blue", "green", "red").index(self.params.channel)] = result["level"]

    def show(self, st: Any, results: Any) -> None:
        st.markdown(f"The newest of {len(results)} is {results[-1].result['level']}")


class Boxes(BaseAlgo):
    """Has no drawing of its own."""

    kind: ClassVar[str] = "boxes"

    def run(self, frames: Frames) -> list[dict[str, Any]]:
        return [{"box": [0.1, 0.1, 0.9, 0.9], "label": "all", "score": 0.5}]


class Faulty(BaseAlgo):
    """Raises where it is told to."""

    kind: ClassVar[str] = "faulty"

    class Params(BaseAlgo.Params):
        where: Literal["run", "init", "draw", "show"] = "run"

    params: Params

    def init(self) -> None:
        self.fail("init")

    def run(self, frames: Frames) -> int:
        self.fail("run")
        return 1

    def draw(self, image: Picture, result: Any) -> None:
        self.fail("draw")

    def show(self, st: Any, results: Any) -> None:
        self.fail("show")

    def fail(self, where: str) -> None:
        if self.params.where == where:
            raise RuntimeError(f"no *luck* in {where}")
'''


class StudioProcess:
    """`vedette studio` on a port of its own; `with` ends it, however it stands."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Temporary files go to `temporary` in the folder; `kinds` in it has the kinds above."""
        self.temporary = folder / "temporary"
        self.kinds = folder / "kinds"
        for each in (self.temporary, self.kinds):
            each.mkdir()
        (self.kinds / "kinds.py").write_text(KINDS, encoding="utf-8")
        (self.kinds / "broken.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "studio.log"
        self._command = [
            *(sys.executable, "-m", "agent", "studio", "--no-browser", "--port", str(self.port)),
            *("--algorithms", str(self.kinds), *arguments),
        ]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)},
            )
        eventually(self._is_up, PATIENCE_S, "the studio is up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGTERM)

    def end(self, number: int) -> int:
        """Send a signal; its exit code, when nothing of it runs any more."""
        assert self._process is not None
        everything = [self._process_tree(), *self._process_tree().children(recursive=True)]
        self._process.send_signal(number)
        try:
            code = self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
        _, alive = psutil.wait_procs(everything, timeout=10)
        assert not alive, alive
        return code

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text("utf-8", "replace")

    def _process_tree(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health") as answer:  # noqa: S310  our own
            return bool(answer.status == 200)
        return False


def chromium(started: Playwright) -> Browser:
    """The browser of this machine, without a window."""
    path = shutil.which("chromium")
    if path is None:
        left_out.leave_out("no chromium (apt-get install chromium)")
    return started.chromium.launch(executable_path=path, args=list(FLAGS))


class StudioPage:
    """The page as a person uses it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._watch(request.url, url))
        page.goto(url)
        expect(self.button("Play")).to_be_visible()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _watch(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "blob:")):
            self.strangers.append(asked)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, label: str, option: str) -> None:
        """One of a list of choices."""
        box = self.page.get_by_role("combobox", name=re.compile(rf"\b{label}$"))
        eventually(lambda: self._chosen(box, option), PATIENCE_S, f"{option} is chosen")
        expect(self.page.get_by_role("option")).to_have_count(0)

    def _chosen(self, box: Locator, option: str) -> bool:
        """Whether it could be; the list closes when the page is drawn anew just then."""
        box.click()
        try:
            self.page.get_by_role("option", name=option, exact=True).click(timeout=2000)
        except playwright.sync_api.TimeoutError:
            self.page.keyboard.press("Escape")
            return False
        return True

    def fill(self, label: str, text: str) -> None:
        """A field, left with Enter."""
        field = self.page.get_by_label(label, exact=True)
        field.fill(text)
        field.press("Enter")

    def view(self, name: str) -> None:
        self.page.get_by_role("radio", name=name).click()

    def play(self) -> None:
        """Press Play, and wait for the first picture."""
        self.button("Play").click()
        expect(self.image).to_be_visible()

    @property
    def image(self) -> Locator:
        return self.page.get_by_test_id("stImage").locator("img")

    def picture(self) -> NDArray[np.uint8]:
        """What is shown, (H, W, 3) BGR."""
        source = self.image.get_attribute("src") or ""
        data = base64.b64decode(source.removeprefix("data:image/jpeg;base64,"))
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        return np.asarray(picture, np.uint8)

    def position_s(self) -> float:
        """As it stands beneath the picture; while the page is drawn anew, what stood there may follow."""
        text = self.page.get_by_text(re.compile(r"· \d+:\d\d\.\d\d")).first.inner_text()
        minutes, seconds = re.findall(r"· (\d+):(\d\d\.\d\d)", text)[0]
        return 60 * int(minutes) + float(seconds)

    def runs(self) -> int:
        """As it stands above the results."""
        metric = self.page.get_by_test_id("stMetric").filter(has_text="Runs")
        return int(metric.get_by_test_id("stMetricValue").inner_text().replace(",", ""))


@contextlib.contextmanager
def opened(browser: Browser, url: str) -> Iterator[StudioPage]:
    """A page, which nothing went wrong in, and which asked nobody else for anything."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    try:
        page = StudioPage(context.new_page(), url)
        yield page
        assert page.complaints == []
        assert page.strangers == []
    finally:
        context.close()
