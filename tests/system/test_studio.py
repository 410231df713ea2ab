"""`vedette studio` in a real browser: played, drawn, changed, stepped through; what goes wrong is said."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.system.studio_parts import PATIENCE_S, ROOT, StudioPage, StudioProcess, chromium, opened
from tests.video import encode
from tests.waiting import eventually

MAX_START_S = 60
HIDES_STREAMLIT = "import sys; sys.modules['streamlit'] = None; from agent.cli import main; main()"


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = chromium(playwright)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[StudioProcess]:
    """A studio, and a browser, that have served one page: what they start for it stays as long as they do."""
    with StudioProcess(tmp_path_factory.mktemp("studio")) as running:
        with opened(browser, running.url):
            pass
        yield running


@pytest.fixture
def page(studio: StudioProcess, browser: Browser) -> Iterator[StudioPage]:
    with opened(browser, studio.url) as page:
        yield page


def shows(page: StudioPage, blue: int, green: int, red: int) -> bool:
    """Whether the whole picture has about this colour."""
    mean = page.picture().mean(axis=(0, 1))
    return bool(np.abs(mean - (blue, green, red)).max() < 6)


def test_plays_draws_and_shows_results(page: StudioPage) -> None:
    expect(page.page.get_by_text("Choose an algorithm")).to_be_visible()
    expect(page.button("Play")).to_be_disabled()
    page.choose("Algorithm", "paint")
    expect(page.page.get_by_text("Paints everything in one colour.")).to_be_visible()
    page.play()
    eventually(lambda: shows(page, 0, 200, 0), PATIENCE_S, "its own drawing")
    expect(page.page.get_by_test_id("stJson")).to_contain_text('"level"')
    eventually(lambda: page.runs() > 3, PATIENCE_S, "runs are counted")
    page.view("Table")
    expect(page.page.get_by_test_id("stDataFrame")).to_be_visible()
    page.view("Chart")
    expect(page.page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    page.view("Times")
    expect(page.page.get_by_text("The newest run took")).to_be_visible()
    page.view("Own display")
    expect(page.page.get_by_text("is 200")).to_be_visible()

    page.page.get_by_text("Draw results").click()
    eventually(lambda: not shows(page, 0, 200, 0), PATIENCE_S, "no drawing")
    page.choose("Algorithm", "boxes")
    page.page.get_by_text("Draw results").click()
    page.view("Result")
    expect(page.page.get_by_test_id("stDataFrame")).to_be_visible()
    drawn = page.picture()
    page.page.get_by_text("Draw results").click()
    assert drawn.shape == (360, 640, 3)


def test_a_changed_parameter_changes_what_is_seen_from_there_on(page: StudioPage) -> None:
    page.choose("Algorithm", "paint")
    page.play()
    eventually(lambda: page.position_s() > 1, PATIENCE_S, "some of it was played")
    page.fill("Level", "90")
    eventually(lambda: shows(page, 0, 90, 0), PATIENCE_S, "the new level")
    assert page.position_s() > 1, "it goes on from where it was"
    page.choose("Channel", "red")
    eventually(lambda: shows(page, 0, 0, 90), PATIENCE_S, "the new colour")

    page.fill("Spots", "[1, 2")
    expect(page.page.get_by_text("is no JSON")).to_be_visible()
    page.fill("Spots", '["a"]')
    expect(page.page.get_by_text("[0] must be a number")).to_be_visible()
    expect(page.page.get_by_role("alert")).to_have_count(0)  # it is said at the field
    page.fill("Spots", "[1, 2]")
    expect(page.page.get_by_text("must be a number")).to_have_count(0)
    before_s = page.position_s()
    eventually(lambda: page.position_s() > before_s, PATIENCE_S, "it goes on")


def test_pauses_steps_and_begins_elsewhere(page: StudioPage) -> None:
    page.choose("Algorithm", "paint")
    page.button("Step").click()
    expect(page.page.get_by_text("Paused · 0:00.00")).to_be_visible()
    page.button("Step").click()
    expect(page.page.get_by_text("Paused · 0:00.04")).to_be_visible()
    page.button("Next result").click()
    expect(page.page.get_by_text("Paused · 0:00.20")).to_be_visible()
    assert page.runs() == 2
    page.fill("Level", "50")  # the frame that is shown, once more
    eventually(lambda: shows(page, 0, 50, 0), PATIENCE_S, "the frame with the new level")
    assert page.position_s() == pytest.approx(0.2)

    page.button("Play").click()
    expect(page.button("Pause")).to_be_visible()
    eventually(lambda: page.position_s() > 0.5, PATIENCE_S, "it plays")
    page.button("Pause").click()
    expect(page.page.get_by_text("Paused ·")).to_be_visible()
    paused_s = page.position_s()
    page.page.get_by_text("Frames", exact=True).click()
    page.fill("Start at (s)", "7")
    expect(page.page.get_by_text("Paused · 0:07.00")).to_be_visible()
    assert paused_s < 7
    page.button("Restart").click()
    eventually(lambda: page.position_s() > 7, PATIENCE_S, "it plays from there")
    page.fill("Interval (s)", "0")
    page.choose("Size", "320x180")
    page.choose("Colours", "Gray")
    eventually(lambda: page.runs() > 10, PATIENCE_S, "a run a frame")


def test_an_upload_is_played_and_goes_with_its_viewer(
    studio: StudioProcess, browser: Browser, tmp_path: Path
) -> None:
    encode(tmp_path / "clip.mp4", frames=50, fps=25, gop=25)
    with opened(browser, studio.url) as page:
        page.choose("Source", "Upload")
        page.page.locator("input[type=file]").set_input_files(tmp_path / "clip.mp4")
        page.choose("Algorithm", "boxes")
        page.page.get_by_text("As fast as possible").click()
        page.play()
        expect(page.page.get_by_text("At the end · 0:01.96 of 0:02.00")).to_be_visible()
        assert page.picture().shape == (240, 320, 3)
        assert page.runs() == 10
        assert list(studio.temporary.rglob("clip.mp4"))
    eventually(lambda: not list(studio.temporary.rglob("*.mp4")), 2 * PATIENCE_S, "the upload is deleted")


@pytest.mark.parametrize(
    ("way", "label", "text", "says"),
    [
        ("URL", "URL", "rstp://10.0.0.5/stream1", "did you mean `rtsp:`?"),
        ("URL", "URL", "rtsp://me:hunter2@127.0.0.1:1/door", "rtsp://127.0.0.1:1/door: nobody listens there"),
        ("File", "Path", "/nowhere/walk.mp4", "There is no file /nowhere/walk.mp4"),
    ],
)
def test_a_source_that_cannot_be_played_says_why(
    page: StudioPage, way: str, label: str, text: str, says: str
) -> None:
    page.choose("Algorithm", "boxes")
    page.choose("Source", way)
    page.fill(label, text)
    if "hunter2" in text:
        expect(page.button("Play")).to_be_enabled()
        page.button("Play").click()
    alert = page.page.get_by_role("alert")
    expect(alert).to_contain_text(says.replace("`", ""))
    assert "hunter2" not in alert.inner_text()
    expect(page.page.get_by_text("Traceback")).to_have_count(0)


def test_what_an_algorithm_raises_is_shown_and_the_page_goes_on(page: StudioPage) -> None:
    page.page.get_by_text("1 cannot be loaded").click()
    expect(page.page.get_by_text("No module named 'nowhere_to_be_found'")).to_be_visible()
    page.choose("Algorithm", "faulty")
    page.play()
    alert = page.page.get_by_role("alert")
    expect(alert.filter(has_text="run() raised: RuntimeError: no *luck* in run")).to_be_visible()
    expect(page.page.get_by_text("Traceback", exact=True).first).to_be_visible()
    for where, says in (
        ("init", "The algorithm cannot begin: RuntimeError: no *luck* in init"),
        ("draw", "draw() raised: RuntimeError: no *luck* in draw"),
        ("show", "show() raised: RuntimeError: no *luck* in show"),
    ):
        page.choose("Where", where)
        if where == "show":
            page.view("Own display")
        expect(alert.filter(has_text=says)).to_be_visible()
    page.choose("Algorithm", "paint")
    eventually(lambda: shows(page, 0, 200, 0), PATIENCE_S, "another algorithm works")


@pytest.mark.timeout(120)
def test_begins_as_it_was_told_and_ends_with_a_signal(browser: Browser, tmp_path: Path) -> None:
    encode(tmp_path / "clip.mp4", frames=500, fps=25, gop=25)
    kind = tmp_path / "mine.py"
    kind.write_text(
        "from algos import BaseAlgo\n\n\nclass Mine(BaseAlgo):\n"
        '    """My own."""\n\n    def run(self, frames):\n        return {"mean": frames[-1].mean()}\n'
    )
    with StudioProcess(tmp_path, "clip.mp4", "-a", "mine.py") as studio:
        with opened(browser, studio.url) as page:
            page.play()
            expect(page.page.get_by_text("My own.")).to_be_visible()
            eventually(lambda: page.position_s() > 0, PATIENCE_S, "it plays")
            assert studio.end(signal.SIGTERM) == 0
            page.complaints.clear()  # of a connection that was lost
        assert "Traceback" not in studio.log()
        assert list(studio.temporary.iterdir()) == []


def test_ends_with_ctrl_c(tmp_path: Path) -> None:
    with StudioProcess(tmp_path) as studio:
        assert studio.end(signal.SIGINT) == 0
        assert "Traceback" not in studio.log()
        assert studio.log().startswith(f"Vedette studio: {studio.url}")


def said(*command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=MAX_START_S,
        check=False,
    )
    return done.returncode, done.stderr


def test_without_the_extra_one_sentence_says_so() -> None:
    code, error = said("-c", HIDES_STREAMLIT, "studio")
    assert (code, error) == (1, "vedette: vedette studio needs the extra: pip install 'vedette[studio]'\n")


def test_a_port_that_is_taken_is_said(studio: StudioProcess) -> None:
    code, error = said("-m", "agent", "studio", "--port", str(studio.port))
    assert code == 1
    assert error.startswith(f"vedette: cannot listen on 127.0.0.1 port {studio.port} (")
    assert error.count("\n") == 1
