"""The left side of the page: which source, which algorithm, with which settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from agent.config.addresses import scheme_of, source_problem
from agent.studio.form import Field, fields, parameters
from agent.studio.kinds import KindsTold, KindTold, kinds_told
from agent.studio.recipe import Recipe
from agent.studio.serve import Setup
from agent.studio.sitting import Sitting
from agent.studio.widgets import complain, entered

SCENE = "test://scene?size=640x360&fps=25&seed=1&shapes=3"

_SCENE, _FILE, _UPLOAD, _URL, _CAMERA = "Test scene", "File", "Upload", "URL", "Camera"
_AS_SOURCE = "As the source"
_SIZES = (_AS_SOURCE, "320x180", "640x360", "1280x720", "1920x1080")
_COLOURS = {"bgr24": "BGR", "rgb24": "RGB", "gray8": "Gray", "nv12": "NV12"}
_VIDEOS = ["mp4", "mkv", "mov", "avi", "webm", "ts", "m4v", "mpg", "jpg", "jpeg", "png", "bmp", "webp"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the left side says."""

    source: str  # empty: none yet
    recipe: Recipe | None  # None: something is missing or wrong, which is said there
    hint: str  # what to do next, while nothing plays
    hurry: bool
    draws: bool
    form: Sequence[Field]
    slots: Mapping[str, DeltaGenerator]  # where to complain of a field

    def complain(self, name: str, problem: str) -> None:
        """Say beneath a parameter what is wrong with it."""
        complain(self.slots[name], problem)


def choose(setup: Setup, sitting: Sitting) -> Chosen:
    """Show the left side; what was chosen."""
    st.markdown("### Vedette studio")
    source = _source(setup, sitting)
    told = _kinds(setup, sitting)
    kind = _kind(setup, told)
    form: list[Field] = []
    slots: dict[str, DeltaGenerator] = {}
    params: dict[str, Any] | None = {}
    if kind is not None:
        form = fields(told.found[kind].schema)
        params, slots = _parameters(kind, form)
    settings, fps, start_s = _frames()
    hurry, draws = _playing()
    recipe = None
    if source and kind is not None and params is not None and settings is not None:
        recipe = Recipe(source, kind, settings, params, fps, start_s)
    hint = "Choose a source in the sidebar." if not source else "Choose an algorithm in the sidebar."
    if source and kind is not None:
        hint = "Something in the sidebar is not right yet." if recipe is None else "Press **Play**."
    return Chosen(source, recipe, hint, hurry, draws, form, slots)


# --- the source ---


def _source(setup: Setup, sitting: Sitting) -> str:
    ways = (_SCENE, _FILE, _UPLOAD, _URL, _CAMERA)
    first, given = _first_way(setup.source)
    way = st.selectbox("Source", ways, index=ways.index(first), key="way")
    match way:
        case "File":
            return _file(given if first == _FILE else "")
        case "Upload":
            return _upload(sitting)
        case "URL":
            return _url(given if first == _URL else "")
        case "Camera":
            return _camera(given if first == _CAMERA else "")
    st.caption("Moving shapes, the same each time.")
    return given if first == _SCENE and given else SCENE


def _first_way(source: str) -> tuple[str, str]:
    if not source:
        return _SCENE, ""
    match scheme_of(source):
        case None | "file":
            return _FILE, source
        case "test":
            return _SCENE, source
        case "usb":
            return _CAMERA, source
    return _URL, source


def _file(given: str) -> str:
    path = st.text_input(
        "Path",
        given,
        key="path",
        placeholder="/data/walk.mp4",
        help="A video, or a folder of images, on the machine where the studio runs.",
    ).strip()
    if not path:
        return ""
    if scheme_of(path) is None:
        path = str(Path(path).expanduser())
        if not Path(path.partition("?")[0]).exists():
            st.error(f"There is no file {path} on this machine.", icon=":material/error:")
            return ""
    return path


def _upload(sitting: Sitting) -> str:
    given = st.file_uploader("Video or picture", type=_VIDEOS, key="upload")
    if given is None:
        st.caption("It is deleted when you leave.")
        return ""
    kept = st.session_state.get("kept")
    if kept is None or kept[0] != given.file_id or not Path(kept[1]).exists():
        given.seek(0)
        kept = (given.file_id, str(sitting.keep(given.name, given)))
        st.session_state["kept"] = kept
    return str(kept[1])


def _url(given: str) -> str:
    url = st.text_input(
        "URL",
        given,
        key="url",
        placeholder="rtsp://user:password@10.0.0.5/stream1",
        help="rtsp, rtsps, rtmp, http or https; `{secret:name}` stands for a secret.",
    ).strip()
    problem = source_problem(url) if url else None
    if url and scheme_of(url) is None:
        problem = "a URL begins like rtsp:// or http://"
    if problem is not None:
        st.error(f"The URL cannot be used: {problem}.", icon=":material/error:")
        return ""
    return url


def _camera(given: str) -> str:
    devices = [f"usb:{path}" for path in sorted(Path("/dev").glob("video*"))]
    known = list(dict.fromkeys([*([given] if given else []), *devices]))
    if not known:
        st.caption("No camera is attached to the machine where the studio runs. One in the network is a URL.")
        return ""
    return str(st.selectbox("Camera", known, key="camera", accept_new_options=True))


# --- the algorithm ---


def _kinds(setup: Setup, sitting: Sitting) -> KindsTold:
    known = st.session_state.get("kinds")
    if not isinstance(known, KindsTold):
        with st.spinner("Looking at the algorithms …"):
            known = kinds_told(sitting.folder, setup.kind)
        st.session_state["kinds"] = known
    return known


def _kind(setup: Setup, told: KindsTold) -> str | None:
    names = list(told.found)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        kind = st.selectbox(
            "Algorithm",
            names,
            index=names.index(setup.kind) if setup.kind in names else None,
            format_func=lambda name: Path(name).name,
            placeholder="Choose a kind",
            key="kind",
        )
        if st.button(
            "", key="look-again", icon=":material/refresh:", help="Look again, after a change of code"
        ):
            st.session_state.pop("kinds", None)
            st.rerun()
    if kind is not None:
        _about(told.found[kind])
    if setup.kind and setup.kind not in names and setup.kind not in told.failed:
        st.error(f"No algorithm {setup.kind} is installed here.", icon=":material/error:")
    if told.failed:
        with st.expander(f"{len(told.failed)} cannot be loaded", icon=":material/warning:"):
            for origin, error in told.failed.items():
                st.markdown(f"`{Path(origin.partition(':')[2] or origin).name}`")
                st.code(error, language=None, wrap_lines=True)
    return kind


def _about(told: KindTold) -> None:
    first, _, rest = told.doc.partition("\n")
    st.caption(first or "It says nothing of itself.", help=rest.strip() or None)


def _parameters(kind: str, form: Sequence[Field]) -> tuple[dict[str, Any] | None, dict[str, DeltaGenerator]]:
    """What was entered, None if something is wrong; and where to complain."""
    slots: dict[str, DeltaGenerator] = {}
    entries: dict[str, Any] = {}
    with st.expander("Parameters", expanded=True):
        if not form:
            st.caption("It has none.")
        for field in form:
            entries[field.name] = entered(field, f"params/{kind}/{field.name}")
            slots[field.name] = st.empty()
    values, problems = parameters(form, entries)
    for name, problem in problems.items():
        complain(slots[name], problem)
    return None if problems else values, slots


# --- frames ---


def _frames() -> tuple[dict[str, Any] | None, float | None, float]:
    """Keys of [[algorithms]], None if one is wrong; frames a second; where to begin."""
    with st.expander("Frames", expanded=False):
        interval = st.number_input(
            "Interval (s)",
            min_value=0.0,
            max_value=86_400.0,
            value=0.2,
            step=0.1,
            key="interval",
            help="Seconds from run to run; 0: every frame.",
        )
        fps = st.number_input(
            "Frames per second",
            min_value=0.1,
            max_value=1000.0,
            value=None,
            placeholder="All of the source",
            key="fps",
            help="Frames are thinned evenly to so many.",
        )
        size = st.selectbox(
            "Size",
            _SIZES,
            key="size",
            accept_new_options=True,
            help="Of the frames that the algorithm gets: one of these, or any such as 416x416.",
        )
        pixel_format = st.selectbox(
            "Colours", list(_COLOURS), format_func=lambda name: _COLOURS[name], key="colours"
        )
        count = st.number_input(
            "Frames a run", min_value=1, max_value=256, value=1, key="count", help="Oldest first."
        )
        step = st.number_input(
            "Step between them",
            min_value=1,
            max_value=1000,
            value=1,
            key="frame-step",
            help="In played frames, for several frames a run.",
        )
        start_s = st.number_input(
            "Start at (s)",
            min_value=0.0,
            value=0.0,
            step=1.0,
            key="start",
            help="Seconds from the first frame; a change goes there.",
        )
        found = re.fullmatch(r"\s*(\d{1,4})\s*[xX]\s*(\d{1,4})\s*", str(size))
        if size != _AS_SOURCE and found is None:
            st.error(f"{size} is no size such as 640x360.", icon=":material/error:")
            return None, fps, start_s
    settings: dict[str, Any] = {"interval": interval, "frame_count": count, "frame_step": step}
    if found is not None:
        settings["size"] = (int(found[1]), int(found[2]))
    if pixel_format is not None:
        settings["pixel_format"] = pixel_format
    return settings, fps, start_s


def _playing() -> tuple[bool, bool]:
    """Whether it is to hurry, and whether results are drawn."""
    hurry = st.toggle("As fast as possible", key="hurry", help="Else at the pace of the video.")
    draws = st.toggle("Draw results", value=True, key="draws")
    return hurry, draws
