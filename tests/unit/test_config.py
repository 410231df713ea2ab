"""Settings: whose value wins, and that everything wrong is told at once, in exact lines."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.config.settings import load_settings
from agent.config.streams import StreamConfig
from agent.errors import ConfigError


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from the machine that the tests run on."""
    for name in os.environ:
        if name.upper().startswith("VEDETTE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("agent.config.settings.PLACES", (Path("agent.toml"), tmp_path / "etc" / "agent.toml"))


def written(text: str, name: str = "agent.toml") -> Path:
    path = Path(name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def problems(text: str, overrides: Mapping[str, Any] | None = None) -> list[str]:
    """What is wrong with a document, line by line, without the heading."""
    with pytest.raises(ConfigError) as caught:
        load_settings(written(text), overrides)
    head, *lines = str(caught.value).splitlines()
    assert head == "agent.toml: the configuration cannot be used:"
    assert all(line.startswith("  ") for line in lines)
    return [line[2:] for line in lines]


STREAM = '[[streams]]\nid = "door"\nsource = "test://scene"\n'
ALGORITHM = '[[algorithms]]\nid = "m"\nkind = "motion"\n'
ID = "must be 1 to 64 letters, digits, `_`, `.` or `-`"
URL = "must be mqtt://, mqtts://, ws:// or wss:// and a host, or `embedded`"

UNKNOWN_SOURCE = (
    "begins like no known source{} (there are `rtsp:`, `rtsps:`, `rtmp:`, `rtmps:`, `http:`, `https:`, "
    "`file:`, `usb:`, `test:`; a file with a colon is `./name`)"
)
NO_HOST = "names no host: it stands behind the //"
NO_PORT = (
    "its port is no number of at most 65535; or its password has one of / ? # [ in it, which are written "
    "%2F %3F %23 %5B, or better all of it `{secret:name}`"
)
HOST = "must be a network such as 10.0.0.0/8, an address or a host name, without a port"
SCHEME = "must be one of rtsp, rtsps, rtmp, rtmps, http, https, file, usb, test"
LISTEN = "must be an address and a port of 1 to 65535, 127.0.0.1:9464, or empty"

BAD: list[tuple[str, list[str]]] = [
    # keys
    ("[brocker]", ["brocker: unknown key; did you mean `broker`?"]),
    ("[[stream]]", ["stream: unknown key; did you mean `streams`?"]),
    ("xyz = 1", ["xyz: unknown key"]),
    ("[broker]\nur = 'mqtt://h'", ["broker.ur: unknown key; did you mean `url`?"]),
    (STREAM + "fsp = 5", ["streams[0] (door).fsp: unknown key; did you mean `fps`?"]),
    (ALGORITHM + "intervall = 5", ["algorithms[0] (m).intervall: unknown key; did you mean `interval`?"]),
    ("[[streams]]\nid = 'door'", ["streams[0] (door).source: is missing"]),
    ("[[algorithms]]\nid = 'm'", ["algorithms[0] (m).kind: is missing"]),
    ("[[streams]]\nsource = 'test://scene'", ["streams[0].id: is missing"]),
    # tables and lists
    ("broker = 1", ["broker: must be a table"]),
    ("streams = 1", ["streams: must be a list"]),
    ("streams = [1]", ["streams[0]: must be a table"]),
    ("[device]\ngroups = 'a'", ["device.groups: must be a list"]),
    ("[device]\nlabels = 'a'", ["device.labels: must be a table"]),
    (ALGORITHM + "params = 3", ["algorithms[0] (m).params: must be a table"]),
    (ALGORITHM + "streams = 'door'", ["algorithms[0] (m).streams: must be a list"]),
    # texts
    ("[device]\nid = 'gate 7'", [f"device.id: {ID}"]),
    ("[device]\nid = ''", [f"device.id: {ID}"]),
    ("[device]\nid = 7", ["device.id: must be a text"]),
    (f"[device]\nid = '{'x' * 65}'", [f"device.id: {ID}"]),
    ("[device]\nlabels = { floor = 2 }", ["device.labels.floor: must be a text"]),
    (STREAM.replace("test://scene", ""), ["streams[0] (door).source: must not be empty"]),
    (
        STREAM.replace("test://scene", "x" * 2049),
        ["streams[0] (door).source: must have at most 2048 characters"],
    ),
    (STREAM.replace("test://scene", "a\\nb"), ["streams[0] (door).source: has control characters in it"]),
    (STREAM + "backend = 'gst'", ["streams[0] (door).backend: must be 'pyav' or 'opencv'"]),
    (
        STREAM + "hwaccel = 'NVDEC!'",
        ["streams[0] (door).hwaccel: must be `none`, `auto` or the name of a device type, such as `vaapi`"],
    ),
    ("[log]\nlevel = 'loud'", ["log.level: must be 'debug', 'info', 'warning' or 'error'"]),
    ("[paths]\nstate_dir = 5", ["paths.state_dir: must be a path"]),
    # numbers
    (STREAM + "fps = true", ["streams[0] (door).fps: must be a number"]),
    (STREAM + "fps = 'fast'", ["streams[0] (door).fps: must be a number"]),
    (STREAM + "fps = nan", ["streams[0] (door).fps: must be a finite number"]),
    (STREAM + "fps = inf", ["streams[0] (door).fps: must be a finite number"]),
    (STREAM + "fps = 0", ["streams[0] (door).fps: must be more than 0"]),
    (STREAM + "fps = 1001", ["streams[0] (door).fps: must be at most 1000"]),
    (STREAM + "read_timeout_s = false", ["streams[0] (door).read_timeout_s: must be a number"]),
    (STREAM + "open_timeout_s = 0.1", ["streams[0] (door).open_timeout_s: must be at least 0.5"]),
    (ALGORITHM + "interval = nan", ["algorithms[0] (m).interval: must be a finite number"]),
    (ALGORITHM + "interval = -1", ["algorithms[0] (m).interval: must be at least 0"]),
    (ALGORITHM + "workers = true", ["algorithms[0] (m).workers: must be a whole number"]),
    (ALGORITHM + "workers = 1.5", ["algorithms[0] (m).workers: must be a whole number"]),
    (ALGORITHM + "frame_count = 257", ["algorithms[0] (m).frame_count: must be at most 256"]),
    ("[security]\ncommands_per_s = true", ["security.commands_per_s: must be a number"]),
    ("[broker]\nkeepalive_s = 4", ["broker.keepalive_s: must be at least 5"]),
    # truth
    (STREAM + "paused = 'perhaps'", ["streams[0] (door).paused: must be true or false"]),
    (STREAM + "loop = 2", ["streams[0] (door).loop: must be true or false"]),
    # pictures
    (ALGORITHM + "size = [true, 2]", ["algorithms[0] (m).size[0]: must be a whole number"]),
    (ALGORITHM + "size = 640", ["algorithms[0] (m).size: must be a list"]),
    (ALGORITHM + "size = [0, 2]", ["algorithms[0] (m).size[0]: must be at least 1"]),
    (ALGORITHM + "size = [2, 8193]", ["algorithms[0] (m).size[1]: must be at most 8192"]),
    (ALGORITHM + "size = [2]", ["algorithms[0] (m).size[1]: is missing"]),
    (ALGORITHM + "size = [2, 2, 2]", ["algorithms[0] (m).size: must have at most 2 items"]),
    (
        ALGORITHM + "size = [3, 2]\npixel_format = 'nv12'",
        ["algorithms[0] (m).pixel_format: nv12 needs an even width and height: see `size`"],
    ),
    (
        ALGORITHM + "frame_count = 100\nframe_step = 100",
        ["algorithms[0] (m).frame_step: a window spans at most 2000 frames: frame_count - 1 times this"],
    ),
    # sources
    (
        STREAM.replace("test://scene", "rtsp://h/s") + "loop = true",
        ["streams[0] (door).loop: only files and folders can begin again"],
    ),
    *[
        (STREAM.replace("test://scene", source), [f"streams[0] (door).source: {problem}"])
        for source, problem in (
            ("rstp://h/s", UNKNOWN_SOURCE.format("; did you mean `rtsp:`?")),
            ("exec:ls", UNKNOWN_SOURCE.format("")),
            ("concat:a.mp4|b.mp4", UNKNOWN_SOURCE.format("")),
            ("hunter2:1/s", UNKNOWN_SOURCE.format("")),
            ("rtsp://", NO_HOST),
            ("rtsp:/h/s", NO_HOST),
            ("rtsp://viewer:hunter2@/s", NO_HOST),
            ("rtsp://h:70000/s", NO_PORT),
            ("rtsp://viewer:hun/ter2@h/s", NO_PORT),
            ("rtsp://[::1/s", NO_PORT),
            ("rtsp://h:0/s", "has port 0, where nobody listens"),
            ("usb:video0", "a USB camera is written usb:/dev/video0 or usb:serial=NUMBER"),
            ("test://scent", "the only test source is test://scene"),
            ("file://h/clip.mp4", "a file is written file:///path, without a host"),
            ("file:", "a file is written file:///path, without a host"),
        )
    ],
    # ids
    (STREAM + STREAM, ["streams: the id 'door' is there 2 times"]),
    (ALGORITHM * 3, ["algorithms: the id 'm' is there 3 times"]),
    (
        STREAM + ALGORITHM + "streams = ['dor']",
        ["algorithms[0] (m).streams: there is no stream 'dor'; did you mean 'door'?"],
    ),
    (ALGORITHM + "streams = ['door']", ["algorithms[0] (m).streams: there is no stream 'door'"]),
    (STREAM + ALGORITHM + "streams = ['door', 'door']", ["algorithms[0] (m).streams: names a stream twice"]),
    (ALGORITHM + "streams = ['a b']", ["algorithms[0] (m).streams: 'a b' is no id of a stream"]),
    # the broker
    ("[broker]\nurl = 'amqp://h'", [f"broker.url: {URL}"]),
    ("[broker]\nurl = 'mqtt://'", [f"broker.url: {URL}"]),
    ("[broker]\nurl = 'broker.example.org'", [f"broker.url: {URL}"]),
    (
        "[broker]\ntopic_prefix = 'a/#'",
        ["broker.topic_prefix: must be letters, digits, `_`, `.` and `-`, in levels with `/` between them"],
    ),
    ("[broker]\nclient_id = ''", ["broker.client_id: must not be empty"]),
    ("[broker]\nkey_file = 'k'", ["broker.key_file: needs cert_file, too"]),
    ("[broker]\nca_file = 'c'", ["broker.ca_file: needs a broker URL with TLS, mqtts:// or wss://"]),
    ("[broker]\ncert_file = 'c'", ["broker.cert_file: needs a broker URL with TLS, mqtts:// or wss://"]),
    (
        "[broker]\nurl = 'mqtts://h'\nca_file = 'none.pem'",
        ["broker.ca_file: none.pem cannot be read: No such file or directory"],
    ),
    (
        "[broker]\nurl = 'wss://h'\nca_file = 'a'\ncert_file = 'b'\nkey_file = 'c'",
        [
            "broker.ca_file: a cannot be read: No such file or directory",
            "broker.cert_file: b cannot be read: No such file or directory",
            "broker.key_file: c cannot be read: No such file or directory",
        ],
    ),
    (
        "[broker]\nurl = 'mqtts://h'\ncert_file = 'agent.toml'",
        ["broker.key_file: is missing: cert_file has no private key in it"],
    ),
    (
        "[broker]\nurl = 'amqp://h'\nkey_file = 'k'",
        [f"broker.url: {URL}", "broker.key_file: needs cert_file, too"],
    ),
    ("[broker]\nurl = 'mqtt://me:hunter2@:1883'", [f"broker.url: {NO_HOST}"]),
    ("[broker]\nurl = 'mqtt://h:hunter2'", [f"broker.url: {NO_PORT}"]),
    ('[broker]\nclient_id = "a\\u0000"', ["broker.client_id: has control characters in it"]),
    ('[broker]\nusername = "a\\u0000"', ["broker.username: has control characters in it"]),
    # the rest
    ("[paths]\nstate_dir = ''", ["paths.state_dir: must not be empty; leave the key out for the default"]),
    ("[security]\nsource_hosts = ['h', '10.0.0.0/33']", [f"security.source_hosts[1]: {HOST}"]),
    ("[security]\nsource_hosts = ['h:554']", [f"security.source_hosts[0]: {HOST}"]),
    ("[security]\nsource_hosts = ['10.0.0.256']", [f"security.source_hosts[0]: {HOST}"]),
    (
        "[security]\nsource_schemes = ['rstp']",
        [f"security.source_schemes[0]: {SCHEME}; did you mean 'rtsp'?"],
    ),
    ("[health]\nlisten = '9464'", [f"health.listen: {LISTEN}"]),
    ("[health]\nlisten = '127.0.0.1:94640'", [f"health.listen: {LISTEN}"]),
    ("[health]\nlisten = '::1:9464'", [f"health.listen: {LISTEN}"]),
    # what people put where it does not belong
    (STREAM + "FPS = 5", ["streams[0] (door).FPS: unknown key; did you mean `fps`?"]),
    (STREAM + '"a\\nb" = 5', ['streams[0] (door)."a\\nb": unknown key']),
    (STREAM + f"{'x' * 99} = 5", [f"streams[0] (door).{'x' * 64}…: unknown key"]),
    (STREAM + "'rtsp://me:hunter2@h' = 5", ['streams[0] (door)."rtsp://me:***@h": unknown key']),
    (
        ALGORITHM + "streams = ['rtsp://me:hunter2@h']",
        ["algorithms[0] (m).streams: 'rtsp://me:***@h' is no id of a stream"],
    ),
    ("[[streams]]\nid = 'rtsp://me:hunter2@h'\nsource = 'x'", [f"streams[0].id: {ID}"]),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[lines[0] for _, lines in BAD])
def test_what_is_wrong_is_told_in_one_line(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


@pytest.mark.parametrize(
    "source",
    [
        "clip.mp4",
        "/var/lib/clip 1.mp4",
        "./12:30.mp4",
        "file:///clip.mp4",
        "file://localhost/clip.mp4",
        "file:clip.mp4",
        "usb:/dev/video0?size=640x360",
        "usb:serial=A1",
        "test://scene",
        "RTSP://h:554/s",
        "rtsp://[::1]:554/s",
        "rtsp://viewer:{secret:door}@h/s",
        "rtsp://{secret:host}:{secret:port}/s",
        "{secret:all}",
        "{secret:folder}/clip.mp4",
    ],
)
def test_a_source_that_might_be_there_is_taken(source: str) -> None:
    assert load_settings(overrides={"streams": [{"id": "a", "source": source}]}).streams[0].source == source


@pytest.mark.parametrize("host", ["10.0.0.0/8", "10.0.0.5", "fd00::/8", "[fd00::1]", "cam-1", "cam_1.local."])
def test_a_host_or_a_network_is_taken(host: str) -> None:
    assert load_settings(overrides={"security": {"source_hosts": [host]}}).security.source_hosts == (host,)


@pytest.mark.parametrize("listen", ["", "127.0.0.1:9464", "[::1]:9464", "localhost:1", "0.0.0.0:65535"])
def test_a_place_to_listen_is_taken(listen: str) -> None:
    assert load_settings(overrides={"health": {"listen": listen}}).health.listen == listen


def test_everything_is_told_at_once() -> None:
    text = """
    [broker]
    url = "amqp://h"
    keepalive_s = true
    [log]
    levle = "info"
    [[streams]]
    id = "door"
    source = "test://scene"
    fsp = 10
    [[streams]]
    id = "door"
    source = ""
    [[streams]]
    source = "test://scene"
    [[algorithms]]
    id = "m"
    kind = "motion"
    streams = ["dor"]
    interval = -1
    size = [3, 3]
    pixel_format = "nv12"
    """
    assert problems(text) == [
        f"broker.url: {URL}",
        "broker.keepalive_s: must be a whole number",
        "log.levle: unknown key; did you mean `level`?",
        "streams[0] (door).fsp: unknown key; did you mean `fps`?",
        "streams[1] (door).source: must not be empty",
        "streams[2].id: is missing",
        "algorithms[0] (m).interval: must be at least 0",
        "algorithms[0] (m).pixel_format: nv12 needs an even width and height: see `size`",
        "streams: the id 'door' is there 2 times",
        "algorithms[0] (m).streams: there is no stream 'dor'; did you mean 'door'?",
    ]


def test_all_that_only_shows_together_is_told_together() -> None:
    assert problems(STREAM + STREAM + ALGORITHM + "streams = ['yard']") == [
        "streams: the id 'door' is there 2 times",
        "algorithms[0] (m).streams: there is no stream 'yard'",
    ]


def test_two_items_without_an_id_are_not_the_same_one_twice() -> None:
    text = "[[streams]]\nsource = 'test://scene'\n" * 2
    assert problems(text) == ["streams[0].id: is missing", "streams[1].id: is missing"]


def test_a_problem_never_shows_the_value() -> None:
    text = "[broker]\nurl = 'hunter2'\npassword = ['hunter2']\n" + STREAM.replace("test:", "\\u0000hunter2")
    assert "hunter2" not in "\n".join(problems(text))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"[broker\nurl = 1",
            "agent.toml is no TOML: Expected ']' at the end of a table declaration (at line 1, column 8)",
        ),
        (b"[log]\nlevel = loud", "agent.toml is no TOML: Invalid value (at line 2, column 9)"),
        (b"[log]\n[log]", "agent.toml is no TOML: Cannot declare ('log',) twice (at line 2, column 5)"),
        (b"# \xff", "agent.toml is not UTF-8 text (byte 2)"),
        (b"config_file = 'x'", "agent.toml: config_file: unknown key"),
    ],
)
def test_a_file_that_cannot_be_understood(content: bytes, message: str) -> None:
    Path("agent.toml").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match=r"^none\.toml cannot be read: No such file or directory$"):
        load_settings(Path("none.toml"))
    Path("agent.toml").mkdir()
    with pytest.raises(ConfigError, match=r"^agent\.toml cannot be read: Is a directory$"):
        load_settings()


def test_an_unusable_configuration_ends_with_the_code_that_systemd_is_told_about() -> None:
    unit = (Path(__file__).parents[2] / "systemd" / "vedette.service").read_text(encoding="utf-8")
    assert f"\nRestartPreventExitStatus={ConfigError.exit_code}\n" in unit
    assert ConfigError.exit_code == 78


# --- where values come from ---


def test_the_first_that_has_a_key_wins_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("[broker]\nurl = 'mqtt://file'\nusername = 'file'\nkeepalive_s = 11\n")
    monkeypatch.setenv("VEDETTE_BROKER__URL", "mqtt://environment")
    monkeypatch.setenv("VEDETTE_BROKER__USERNAME", "environment")
    broker = load_settings(path, {"broker": {"url": "mqtt://option"}}).broker
    assert (broker.url, broker.username, broker.keepalive_s, broker.topic_prefix) == (
        "mqtt://option",
        "environment",
        11,
        "vedette/v1",
    )


def test_the_file_is_the_named_one_else_the_nearest(tmp_path: Path) -> None:
    assert load_settings().config_file is None
    written("[device]\nid = 'machine'", "etc/agent.toml")
    assert (load_settings().device.id, load_settings().config_file) == (
        "machine",
        tmp_path / "etc" / "agent.toml",
    )
    written("[device]\nid = 'here'")
    assert load_settings().device.id == "here"
    assert load_settings(written("[device]\nid = 'named'", "other.toml")).device.id == "named"


def test_lists_and_tables_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(STREAM + "[device]\ngroups = ['file']\nlabels = { floor = '1', side = 'north' }")
    monkeypatch.setenv("VEDETTE_STREAMS", '[{"id": "yard", "source": "test://scene", "fps": 5}]')
    monkeypatch.setenv("VEDETTE_DEVICE__GROUPS", '["berlin", "all"]')
    monkeypatch.setenv("VEDETTE_DEVICE__LABELS__FLOOR", "second")
    monkeypatch.setenv("VEDETTE_SECURITY", '{"source_hosts": ["10.0.0.0/8"]}')
    monkeypatch.setenv("VEDETTE_SECURITY__COMMANDS_PER_S", "2.5")
    settings = load_settings(path)
    assert [(stream.id, stream.fps) for stream in settings.streams] == [("yard", 5)]
    assert settings.device.groups == ("berlin", "all")
    assert settings.device.labels == {"floor": "second", "side": "north"}
    assert settings.security.source_hosts == ("10.0.0.0/8",)
    assert settings.security.commands_per_s == 2.5


def test_broken_json_in_the_environment_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_STREAMS", "[hunter2]")
    monkeypatch.setenv("VEDETTE_DEVICE__GROUPS", "berlin")
    assert problems("[log]\nlevel = 'loud'") == [
        "environment: VEDETTE_DEVICE__GROUPS: must be JSON; Expecting value at character 1",
        "environment: VEDETTE_STREAMS: must be JSON; Expecting value at character 2",
        "log.level: must be 'debug', 'info', 'warning' or 'error'",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("VEDETTE_BROKER__ULR", "; did you mean VEDETTE_BROKER__URL?"),
        ("VEDETTE_BROKER_URL", "; did you mean VEDETTE_BROKER__URL?"),
        ("vedette_broker__uri", "; did you mean VEDETTE_BROKER__URL?"),
        ("VEDETTE_BROKER__URL__HOST", "; did you mean VEDETTE_BROKER__URL?"),
        ("VEDETTE_STREAM", "; did you mean VEDETTE_STREAMS?"),
        ("VEDETTE_QQQQQQQQQQQQQQQQQQQQ", ""),
    ],
)
def test_an_unknown_variable_is_an_error(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    assert problems("") == [f"environment: {name}: unknown setting{hint}"]


def test_where_the_file_was_found_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_CONFIG_FILE", "other.toml")
    assert problems("")[0].startswith("environment: VEDETTE_CONFIG_FILE: unknown setting")


def test_variables_of_secrets_and_tests_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_SECRET_DOOR", "x")
    monkeypatch.setenv("VEDETTE_TEST_DATA", "x")
    monkeypatch.setenv("vedette_broker__username", "small letters")
    assert load_settings().broker.username == "small letters"


def test_a_problem_names_the_variable_that_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_BROKER__KEEPALIVE_S", "often")
    monkeypatch.setenv("VEDETTE_BROKER__URL", "mqtt://environment")
    assert problems("[log]\nlevel = 'loud'", {"broker": {"url": "option"}}) == [
        f"broker.url: {URL}",
        "broker.keepalive_s (VEDETTE_BROKER__KEEPALIVE_S): must be a whole number",
        "log.level: must be 'debug', 'info', 'warning' or 'error'",
    ]


def test_a_problem_names_the_variable_of_a_whole_table_and_the_ids_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VEDETTE_STREAMS", '[{"id": "yard", "source": "rstp:x", "fps": -1}]')
    monkeypatch.setenv("VEDETTE_BROKER", '{"keepalive_s": 1, "url": "x"}')
    assert problems(STREAM + "[broker]\nclient_id = ''", {"broker": {"url": "y"}}) == [
        f"broker.url: {URL}",
        "broker.client_id: must not be empty",
        "broker.keepalive_s (VEDETTE_BROKER): must be at least 5",
        "streams[0] (yard).fps (VEDETTE_STREAMS): must be more than 0",
        "streams[0] (yard).source (VEDETTE_STREAMS): " + UNKNOWN_SOURCE.format("; did you mean `rtsp:`?"),
    ]


def test_the_id_is_that_of_the_item_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_STREAMS", '[{"id": "environment", "source": "x"}]')
    options = {"streams": [{"id": "option", "source": "x", "fps": -1}]}
    assert problems(STREAM, options) == ["streams[0] (option).fps: must be more than 0"]


def test_without_a_file_the_heading_names_none() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(overrides={"broker": {"url": "x"}})
    assert str(caught.value) == f"the configuration cannot be used:\n  broker.url: {URL}"


def test_what_the_machine_says_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "gate 7.example.org")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/vedette:/var/lib/other")
    assert load_settings().device.id == "gate-7.example.org"
    assert load_settings().paths.state_dir == Path("/var/lib/vedette")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert load_settings().paths.state_dir == Path("/home/me/state/vedette")


def test_a_certificate_may_have_its_key_in_it() -> None:
    Path("both.pem").write_text(
        "-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n", encoding="ascii"
    )
    broker = load_settings(overrides={"broker": {"url": "mqtts://h", "cert_file": "both.pem"}}).broker
    assert (broker.cert_file, broker.key_file) == (Path("both.pem"), None)


def test_certificates_that_are_there_are_taken() -> None:
    for name in ("ca.pem", "client.pem", "client.key"):
        Path(name).touch()
    broker = load_settings(
        written(
            "[broker]\nurl = 'mqtts://h'\nca_file = 'ca.pem'\ncert_file = 'client.pem'\n"
            "key_file = 'client.key'"
        )
    ).broker
    assert (broker.ca_file, broker.cert_file, broker.key_file) == (
        Path("ca.pem"),
        Path("client.pem"),
        Path("client.key"),
    )


# --- what may be shown ---


@pytest.mark.parametrize(
    ("password", "shown"),
    [
        ("hunter2", "***"),
        ("{secret:broker}", "{secret:broker}"),
        ("{secret:a}{secret:b}", "{secret:a}{secret:b}"),
        ("{secret:a}hunter2", "***"),
        ("{secret:hunter2", "***"),
        ("", "***"),
    ],
)
def test_a_password_is_shown_only_as_the_name_of_a_secret(password: str, shown: str) -> None:
    settings = load_settings(overrides={"broker": {"password": password}})
    assert settings.redacted()["broker"]["password"] == shown
    assert "hunter2" not in repr(settings)


def test_what_may_be_shown_has_no_passwords_and_all_defaults() -> None:
    text = (
        "[broker]\nurl = 'mqtt://me:hunter2@h'\n"
        + STREAM.replace("test://scene", "rtsp://viewer:hunter2@h/s?token=hunter2&x=1")
        + ALGORITHM
        + "params = { upload = 'https://me:hunter2@h/x', more = ['http://h/?api_key=hunter2'], "
        "password = 'hunter2', api_token = '{secret:api}', keypoints = 'all' }\n"
    )
    shown = load_settings(written(text)).redacted()
    assert "hunter2" not in str(shown)
    assert shown["broker"]["url"] == "mqtt://me:***@h"
    assert shown["broker"]["password"] is None
    assert shown["streams"][0]["source"] == "rtsp://viewer:***@h/s?token=***&x=1"
    assert shown["algorithms"][0]["params"]["more"] == ["http://h/?api_key=***"]
    assert shown["algorithms"][0]["params"]["password"] == "***"
    assert shown["algorithms"][0]["params"]["api_token"] == "{secret:api}"
    assert shown["algorithms"][0]["params"]["keypoints"] == "all"
    assert shown["delivery"]["codec"] == "msgpack"
    assert "config_file" not in shown


def test_settings_and_pydantics_own_errors_show_no_password() -> None:
    settings = load_settings(
        overrides={
            "broker": {"url": "mqtt://me:hunter2@h", "password": "hunter2"},
            "streams": [{"id": "a", "source": "rtsp://me:hunter2@h"}],
            "algorithms": [{"id": "m", "kind": "motion", "params": {"token": "hunter2"}}],
        }
    )
    shown = f"{settings!r} {settings} {settings.streams[0]} {settings.broker!r}"
    assert "hunter2" not in shown
    assert "rtsp://me:***@h" in shown
    with pytest.raises(ValidationError) as caught:
        StreamConfig.model_validate({"id": "a", "source": ["rtsp://me:hunter2@h"], "hunter": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(written(STREAM))
    with pytest.raises(ValueError, match="frozen"):
        settings.streams[0].fps = 5
    with pytest.raises(ValueError, match="frozen"):
        settings.streams = ()
