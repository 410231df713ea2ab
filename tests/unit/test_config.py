"""Settings: whose value wins, and that everything wrong is told at once, in exact lines."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.config.settings import load_settings
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
    (STREAM + "hwaccel = 'NVDEC!'", ["streams[0] (door).hwaccel: must match ^[a-z0-9_]{2,32}$"]),
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
    (ALGORITHM + "size = [0, 2]", ["algorithms[0] (m).size: width and height are 1 to 8192 pixels"]),
    (ALGORITHM + "size = [8193, 2]", ["algorithms[0] (m).size: width and height are 1 to 8192 pixels"]),
    (
        ALGORITHM + "size = [3, 2]\npixel_format = 'nv12'",
        ["algorithms[0] (m).size: nv12 needs an even width and height"],
    ),
    (
        ALGORITHM + "frame_count = 100\nframe_step = 100",
        ["algorithms[0] (m).frame_step: a window spans at most 2000 frames"],
    ),
    # sources
    (
        STREAM.replace("test://scene", "rtsp://h/s") + "loop = true",
        ["streams[0] (door).loop: only files and folders can begin again"],
    ),
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
    ("[broker]\ntopic_prefix = 'a/#'", [r"broker.topic_prefix: must match ^[^+#$\s/][^+#\s]*$"]),
    ("[broker]\nclient_id = ''", ["broker.client_id: must not be empty"]),
    ("[broker]\nkey_file = 'k'", ["broker.key_file: needs cert_file, too"]),
    ("[broker]\nca_file = 'c'", ["broker.ca_file: needs a broker URL with TLS, mqtts:// or wss://"]),
    ("[broker]\ncert_file = 'c'", ["broker.cert_file: needs a broker URL with TLS, mqtts:// or wss://"]),
    (
        "[broker]\nurl = 'mqtts://h'\nca_file = 'none.pem'",
        ["broker.ca_file: none.pem cannot be read: No such file or directory"],
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[lines[0] for _, lines in BAD])
def test_what_is_wrong_is_told_in_one_line(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


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
    """
    assert problems(text) == [
        f"broker.url: {URL}",
        "broker.keepalive_s: must be a whole number",
        "log.levle: unknown key; did you mean `level`?",
        "streams[0] (door).fsp: unknown key; did you mean `fps`?",
        "streams[1] (door).source: must not be empty",
        "streams[2].id: is missing",
        "algorithms[0] (m).interval: must be at least 0",
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
        + "params = { upload = 'https://me:hunter2@h/x', more = ['http://h/?api_key=hunter2'] }\n"
    )
    shown = load_settings(written(text)).redacted()
    assert "hunter2" not in str(shown)
    assert shown["broker"]["url"] == "mqtt://me:***@h"
    assert shown["broker"]["password"] is None
    assert shown["streams"][0]["source"] == "rtsp://viewer:***@h/s?token=***&x=1"
    assert shown["algorithms"][0]["params"]["more"] == ["http://h/?api_key=***"]
    assert shown["delivery"]["codec"] == "msgpack"
    assert "config_file" not in shown


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(written(STREAM))
    with pytest.raises(ValueError, match="frozen"):
        settings.streams[0].fps = 5
    with pytest.raises(ValueError, match="frozen"):
        settings.streams = ()
