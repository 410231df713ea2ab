"""The dashboard in a real browser, with a real broker and agent: seen, steered, lost and found again."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser, Page, expect

from agent.delivery.embedded import EmbeddedBroker
from tests.broker import Mosquitto
from tests.fleet import fleet_running
from tests.signing import OPS, public
from tests.system.agent_process import AgentProcess
from tests.system.page_parts import DashboardProcess, WatchedPage, watched_page
from tests.system.studio_parts import PATIENCE_S
from tests.waiting import eventually

SCENE = {"id": "scene", "source": "test://scene?size=640x360&fps=10&seed=1&shapes=3"}
MOTION = {"id": "movement", "kind": "motion", "interval": 0.2}
BROKER_AWAY = r"WebSocket connection to"
LOST_MS = 40_000  # the last will comes 15 s after an agent went silent

expect.set_options(timeout=PATIENCE_S * 1000)

Shown = Callable[..., Page]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "mosquitto", websockets=True) as running:
        yield running


@pytest.fixture
def agent(tmp_path: Path, broker: Mosquitto) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path, broker.url)
    yield agent
    if agent.started:
        agent.kill()


@pytest.fixture
def shown(tmp_path: Path, broker: Mosquitto, page: Page) -> Iterator[Shown]:
    """Open the page, served by `vedette dashboard`; the part of the address after `#`."""
    with DashboardProcess(tmp_path, "--broker", broker.ws_url) as dashboard:

        def opened(at: str = "") -> Page:
            page.goto(dashboard.url + (f"#/{at}" if at else ""))
            return page

        yield opened


def row(page: Page, text: str) -> Any:  # noqa: ANN401  a locator
    return page.locator("tbody tr", has=page.get_by_text(text, exact=True)).first


def field(page: Page, name: str) -> Any:  # noqa: ANN401  a locator
    return page.locator(f"[id='item-{name}']")


def pictures(page: Page) -> str:
    return page.locator(".picture").get_attribute("data-pictures") or "none"


def test_a_device_comes_online_ends_and_is_lost(agent: AgentProcess, shown: Shown) -> None:
    agent.configure(streams=[SCENE], device={"groups": ["berlin"], "labels": {"floor": "2"}})
    page = shown()
    expect(page.get_by_text("No device has been heard of yet")).to_be_visible()
    with agent:
        there = page.locator("a.row", has_text=agent.device)
        expect(there).to_contain_text("online")
        expect(there).to_contain_text("berlin")
        expect(there).to_contain_text("floor=2")
        expect(there).to_contain_text("1/1")
        page.keyboard.press("/")
        page.keyboard.type("floor=3")
        expect(page.get_by_text("No device is like that")).to_be_visible()
        page.get_by_role("button", name="Show all devices").click()
        expect(there).to_be_visible()
        agent.terminate()
        expect(there).to_contain_text("offline")
        agent.start()
        expect(there).to_contain_text("online")
        agent.kill()
        expect(there).to_contain_text("lost", timeout=LOST_MS)
        there.click()
        expect(page.get_by_text("The device went silent without a goodbye")).to_be_visible()
        expect(page.get_by_role("button", name="Add stream")).to_be_disabled()


def test_a_stream_and_an_algorithm_are_added_by_form_changed_and_removed(  # noqa: PLR0915  one visit
    agent: AgentProcess, shown: Shown
) -> None:
    agent.configure()
    with agent:
        page = shown(f"d/{agent.device}")
        expect(page.get_by_text("No streams")).to_be_visible()
        page.get_by_role("button", name="Add stream").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog.locator("[id='item-id-problem']")).to_have_text("is required")
        expect(field(page, "id")).to_be_focused()
        field(page, "id").fill("two words")
        expect(dialog.locator("[id='item-id-problem']")).to_contain_text("1 to 64 letters")
        field(page, "id").fill("scene")
        field(page, "source").fill(SCENE["source"])
        field(page, "fps").fill("1e3x")
        expect(dialog.locator("[id='item-fps-problem']")).to_have_text("must be a number")
        field(page, "fps").fill("")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(row(page, "scene")).to_contain_text("running")

        page.get_by_role("button", name="Add stream").click()
        field(page, "id").fill("scene")
        field(page, "source").fill(SCENE["source"] + "&x=1")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog.get_by_role("alert").first).to_contain_text("scene")  # the device's own words
        expect(page.locator(".toast[data-state=refused]")).to_contain_text("refused (4")
        dialog.get_by_role("button", name="Cancel").click()

        page.get_by_role("link", name="scene").click()
        eventually(lambda: pictures(page) != "none", PATIENCE_S, "a picture")
        page.get_by_role("button", name="Add algorithm").click()
        dialog.locator("button.kind", has_text="motion").click()
        field(page, "id").fill("movement")
        field(page, "interval").fill("0.2")
        field(page, "params.warmup_s").fill("-1")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog.locator("[id='item-params.warmup_s-problem']")).to_have_text("must be at least 0")
        field(page, "params.warmup_s").fill("0.5")
        dialog.get_by_role("button", name="Add", exact=True).click()
        expect(dialog).to_be_hidden()
        expect(page.locator(".picture")).to_have_attribute("data-found", re.compile("box"))
        assert painted(page)
        page.get_by_label("Field").select_option("movement · share")
        chart = page.locator("[data-points]")
        before = int(chart.get_attribute("data-points") or 0)
        eventually(lambda: int(chart.get_attribute("data-points") or 0) > before + 5, PATIENCE_S, "it moves")
        page.get_by_role("button", name="Raw").click()
        expect(page.locator(".tree")).to_contain_text("regions")
        page.get_by_role("button", name="Last").click()
        expect(page.locator(".scroll")).to_contain_text("ms")
        expect(page.locator("[data-completeness='0']")).to_contain_text("none missing")

        page.get_by_role("link", name=agent.device).click()
        row(page, "movement").get_by_role("button", name="Change").click()
        expect(field(page, "interval")).to_have_value("0.2")
        expect(field(page, "params.warmup_s")).to_have_value("0.5")
        field(page, "interval").fill("0.5")
        dialog.get_by_role("button", name="Change", exact=True).click()
        expect(dialog).to_be_hidden()
        row(page, "movement").get_by_role("button", name="Change").click()
        expect(field(page, "interval")).to_have_value("0.5")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

        row(page, "scene").get_by_role("button", name="Pause").click()
        expect(row(page, "scene")).to_contain_text("paused")
        row(page, "scene").get_by_role("button", name="Resume").click()
        expect(row(page, "scene")).to_contain_text("running")
        for name, what in (("movement", "algorithm"), ("scene", "stream")):
            row(page, name).get_by_role("button", name="Remove").click()
            expect(dialog).to_contain_text(f"Remove {what} {name}?")
            dialog.get_by_role("button", name=f"Remove {what}").click()
            expect(dialog).to_be_hidden()
        expect(page.get_by_text("No streams")).to_be_visible()
        expect(page.get_by_text("No algorithms")).to_be_visible()


def painted(page: Page) -> bool:
    """Whether the picture is one: many colours, not one."""
    colours: int = page.evaluate(
        """() => {
            const canvas = document.querySelector(".picture canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const seen = new Set();
            for (let at = 0; at < data.length; at += 4 * 97) seen.add(data.slice(at, at + 3).join());
            return seen.size;
        }"""
    )
    return colours > 50


def test_pictures_end_when_nobody_looks(agent: AgentProcess, shown: Shown) -> None:
    agent.configure(streams=[SCENE])
    with agent:
        page = shown(f"d/{agent.device}/s/scene")
        eventually(lambda: pictures(page) != "none", PATIENCE_S, "a picture")
        assert "decoded" in page.locator("main").inner_text()
        page.get_by_label("Pictures a second").select_option("0")
        page.get_by_role("button", name="Snapshot").click()
        before = pictures(page)
        eventually(lambda: pictures(page) != before, PATIENCE_S, "the snapshot")
        page.get_by_role("link", name=agent.device).click()
        expect(row(page, "scene")).to_contain_text("running")
        # Nobody decodes for a page that has gone.
        decoded = row(page, "scene").locator("td").nth(3)
        expect(decoded).to_have_text("0")


def test_the_page_is_back_by_itself_when_the_broker_is(
    agent: AgentProcess, broker: Mosquitto, shown: Shown, watched: WatchedPage
) -> None:
    agent.configure(streams=[SCENE], algorithms=[MOTION])
    watched.excuse(BROKER_AWAY)
    with agent:
        page = shown(f"d/{agent.device}/s/scene")
        expect(page.locator(".picture")).to_have_attribute("data-found", re.compile("box"))
        broker.kill()
        expect(page.get_by_role("alert")).to_contain_text("connection to the broker is lost")
        broker.start()
        expect(page.get_by_role("alert")).to_be_hidden()
        before = pictures(page)
        eventually(lambda: pictures(page) != before, PATIENCE_S, "pictures again")
        # What was made meanwhile is counted as what it is: sent again, or missing.
        expect(page.locator("[data-completeness]").first).to_contain_text("results heard")


def test_passwords_tls_and_their_refusal(tmp_path: Path, page_browser: Browser) -> None:
    users = {"agent": "a", "person": "right"}
    with (
        Mosquitto(tmp_path / "m", secure_websockets=True, users=users) as broker,
        DashboardProcess(tmp_path) as dashboard,
        watched_page(page_browser, ignore_https_errors=True) as watched,
    ):
        page = watched.page
        watched.excuse("config.json")
        page.goto(dashboard.url)
        page.get_by_label("Broker").fill("mqtt://broker:1883")
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_role("alert")).to_contain_text("WebSocket listener")
        page.get_by_label("Broker").fill(broker.wss_url)
        page.get_by_label("User").fill("person")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_role("alert")).to_contain_text("refuses this user or password")
        page.get_by_label("Password").fill("right")
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_text("No device has been heard of yet")).to_be_visible()
        page.reload()
        expect(page.get_by_label("Broker")).to_have_value(broker.wss_url)
        expect(page.get_by_label("User")).to_have_value("person")
        expect(page.get_by_label("Password")).to_have_value("")
        assert "right" not in str(page.evaluate("() => JSON.stringify(localStorage)"))


def test_nobody_at_the_address(tmp_path: Path, watched: WatchedPage) -> None:
    watched.excuse(BROKER_AWAY)
    with DashboardProcess(tmp_path, "--broker", "ws://127.0.0.1:9/mqtt") as dashboard:
        watched.page.goto(dashboard.url)
        expect(watched.page.get_by_role("alert")).to_contain_text("No connection to ws://127.0.0.1:9/mqtt")
        expect(watched.page.get_by_role("button", name="Connect")).to_be_enabled()


def test_commands_are_signed_with_a_key_that_the_browser_holds(
    tmp_path: Path, agent: AgentProcess, shown: Shown
) -> None:
    agent.configure(
        streams=[SCENE], security={"require_signature": True, "keys": {"ops": {"public_key": public(OPS)}}}
    )
    pem = tmp_path / "ops.pem"
    pem.write_bytes(OPS.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with agent:
        page = shown(f"d/{agent.device}")
        expect(row(page, "scene")).to_contain_text("running")
        row(page, "scene").get_by_role("button", name="Pause").click()
        expect(page.locator(".toast[data-state=refused]")).to_contain_text("401")
        page.get_by_role("button", name="Sign", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("or its text").fill("no key")
        dialog.get_by_role("button", name="Use this key").click()
        expect(dialog.get_by_role("alert")).to_contain_text("no private key in PEM")
        dialog.get_by_label("Key file").set_input_files(pem)
        dialog.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("button", name="Signs as ops")).to_be_visible()
        row(page, "scene").get_by_role("button", name="Pause").click()
        expect(row(page, "scene")).to_contain_text("paused")
        page.reload()  # the key is still there, and is used
        row(page, "scene").get_by_role("button", name="Resume").click()
        expect(row(page, "scene")).to_contain_text("running")


def test_the_embedded_broker_which_speaks_older_mqtt_to_browsers(
    tmp_path: Path, watched: WatchedPage
) -> None:
    with (
        EmbeddedBroker() as broker,
        DashboardProcess(tmp_path, "--broker", broker.websocket_url) as dashboard,
    ):
        agent = AgentProcess(tmp_path, broker.old_url)
        agent.configure(streams=[SCENE], algorithms=[MOTION])
        watched.excuse(BROKER_AWAY)  # it hangs up on MQTT 5
        with agent:
            page = watched.page
            page.goto(f"{dashboard.url}#/d/{agent.device}/s/scene")
            expect(page.locator(".picture")).to_have_attribute("data-found", re.compile("box"))
            eventually(lambda: pictures(page) != "none", PATIENCE_S, "a picture")
            page.get_by_role("button", name="Pause").click()
            expect(page.locator(".toast[data-state=done]")).to_contain_text("stream.pause")


def test_a_thousand_devices_and_five_thousand_messages_a_second(tmp_path: Path, watched: WatchedPage) -> None:
    with (
        Mosquitto(tmp_path / "m", websockets=True, saves=False) as broker,
        fleet_running(broker.url, devices=1000, rate=5000),
        DashboardProcess(tmp_path, "--broker", broker.ws_url) as dashboard,
    ):
        page = watched.page
        page.goto(dashboard.url)
        expect(page.get_by_role("button", name=re.compile("^All 1000"))).to_be_visible()
        assert page.locator("a.row").count() < 60  # only what can be seen is there
        frames: list[float] = page.evaluate(
            """() => new Promise((resolve) => {
                const gaps = [];
                let last = performance.now();
                const begun = last;
                const frame = (now) => {
                    gaps.push(now - last);
                    last = now;
                    if (now - begun < 4000) requestAnimationFrame(frame);
                    else resolve(gaps.slice(1).sort((a, b) => a - b));
                };
                requestAnimationFrame(frame);
            })"""
        )
        # A page that hangs has a handful of frames; how quick it is, is for a quiet machine to say.
        assert len(frames) > 20, f"{len(frames)} frames in 4 s, the longest {frames[-1]:.0f} ms"
        page.get_by_label("Search devices").fill("0042")
        expect(page.locator("a.row").first).to_contain_text("0042")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_and_can_be_read(
    tmp_path: Path, agent: AgentProcess, broker: Mosquitto, page_browser: Browser, scheme: str
) -> None:
    agent.configure(streams=[SCENE, {"id": "gone", "source": "rtsp://127.0.0.1:9/x"}], algorithms=[MOTION])
    with (
        agent,
        DashboardProcess(tmp_path, "--broker", broker.ws_url) as dashboard,
        watched_page(page_browser, viewport={"width": 390, "height": 800}, color_scheme=scheme) as watched,
    ):
        page = watched.page
        for at in ("", f"#/d/{agent.device}", f"#/d/{agent.device}/s/scene"):
            page.goto(dashboard.url + at)
            expect(page.locator("main")).to_contain_text("scene" if at else agent.device)
            assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, at
            assert page.evaluate(_PALE) == [], at


_PALE = """() => {
    // WCAG 2.2, 1.4.3: 4.5 to 1 for text, against the nearest ground that is not transparent.
    const luminance = ([r, g, b]) => {
        const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const parts = (text) => text.match(/[\\d.]+/g).map(Number);
    const ground = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const colour = parts(getComputedStyle(one).backgroundColor);
            if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const pale = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest(".picture, :disabled")) continue;
        const [a, b] = [luminance(parts(getComputedStyle(element).color)), luminance(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) pale.push(`${element.textContent.slice(0, 30)}: ${ratio.toFixed(2)}`);
    }
    return pale;
}"""
