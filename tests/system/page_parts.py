"""`vedette dashboard` as a process, and pages in a real browser in which nothing may go wrong unnoticed.

The fixtures at the end are for all of tests/system: `conftest.py` there imports them.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import playwright.sync_api
import psutil
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, sync_playwright

from tests.system.studio_parts import PATIENCE_S, ROOT, chromium
from tests.waiting import eventually

HERE = ("127.0.0.1", "localhost", "::1")  # hosts that a page of a test may ask; all others are strangers


class DashboardProcess:
    """`vedette dashboard` on a free port; `with` ends it, however it stands."""

    def __init__(self, folder: Path, *arguments: str, port: int = 0) -> None:
        """It runs in `folder`, which has no agent.toml unless the test wrote one; its log goes there."""
        self._log = folder / "dashboard.log"
        self._folder = folder
        self._command = [sys.executable, "-m", "agent", "dashboard", "--port", str(port), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""  # as it says, with a slash at the end

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        self.url = eventually(self._told, PATIENCE_S, "it says its address")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.end(signal.SIGTERM)

    @property
    def process(self) -> psutil.Process:
        """As the operating system sees it."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def end(self, number: int) -> int:
        """Send a signal; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(PATIENCE_S)
        finally:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text("utf-8", "replace")

    def _told(self) -> str:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        found = re.search(r"Dashboard: (\S+)", self.log())
        return found[1] if found else ""


class WatchedPage:
    """A page, with all that its console complains of, that it raises, and that it asks strangers for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        self._excused: list[re.Pattern[str]] = []
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"raised: {error}"))
        page.on("crash", lambda _: self.complaints.append("the page crashed"))
        page.on("request", lambda request: self._watch(request.url))
        page.on("websocket", lambda socket: self._watch(socket.url))

    def excuse(self, pattern: str) -> None:
        """Complaints in which this is found are expected from now on, such as of a broker that is down."""
        self._excused.append(re.compile(pattern))

    def check(self) -> None:
        """Nothing went wrong, and nobody else was asked for anything."""
        assert self.complaints == []
        assert self.strangers == []

    def _hear(self, message: ConsoleMessage) -> None:
        text = f"{message.text} ({message.location.get('url', '')})"
        if message.type in ("error", "assert") and not any(each.search(text) for each in self._excused):
            self.complaints.append(text)

    def _watch(self, asked: str) -> None:
        parts = urlsplit(asked)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname not in HERE:
            self.strangers.append(asked)


@contextlib.contextmanager
def watched_page(browser: Browser, **options: Any) -> Iterator[WatchedPage]:  # noqa: ANN401  as Playwright has them
    """An empty page of its own, which is judged at the end.

    `options` are those of `Browser.new_context`: `viewport`, `color_scheme`, `has_touch`, `locale`,
    `ignore_https_errors` for a broker whose certificate the browser does not know.
    """
    context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}} | options)
    try:
        page = WatchedPage(context.new_page())
        yield page
        page.check()
    finally:
        with contextlib.suppress(playwright.sync_api.Error):  # the browser may be gone
            context.close()


@pytest.fixture(scope="module")
def chromium_driver() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def page_browser(chromium_driver: Playwright) -> Iterator[Browser]:
    """One a file. It has shown a page before the first test, so what it starts for that is there before."""
    browser = chromium(chromium_driver)
    with watched_page(browser) as first:
        first.page.goto("about:blank")
    yield browser
    browser.close()


@pytest.fixture
def watched(page_browser: Browser) -> Iterator[WatchedPage]:
    with watched_page(page_browser) as watched:
        yield watched


@pytest.fixture
def page(watched: WatchedPage) -> Page:
    """A page that fails the test on console errors, and on requests to other hosts."""
    return watched.page
