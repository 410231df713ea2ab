"""Secrets: where they are found, and that they are seen nowhere."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.config.secret import Secret, Secrets, redact_url, redacted
from agent.errors import ConfigError, SecretError


def folder(path: Path, **secrets: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, value in secrets.items():
        (path / name).write_bytes(value.encode())
    return path


# --- where they are found ---


def test_credentials_come_before_the_folder_and_that_before_the_environment(tmp_path: Path) -> None:
    credentials = folder(tmp_path / "credentials", a="a of systemd")
    own = folder(tmp_path / "own", a="a of the folder", b="b of the folder")
    environ = {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "VEDETTE_SECRET_A": "a of the environment",
        "VEDETTE_SECRET_B": "b of the environment",
        "VEDETTE_SECRET_C": "c of the environment",
    }
    secrets = Secrets(own, environ)
    found = [secrets.expand(f"{{secret:{name}}}").reveal() for name in "abc"]
    assert found == ["a of systemd", "b of the folder", "c of the environment"]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("door", "VEDETTE_SECRET_DOOR"),
        ("Door-2.rtsp", "VEDETTE_SECRET_DOOR_2_RTSP"),
        ("a_b", "VEDETTE_SECRET_A_B"),
    ],
)
def test_the_variable_of_a_secret(name: str, variable: str) -> None:
    assert Secrets(None, {variable: "x"}).expand(f"{{secret:{name}}}") == Secret("x")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        ("hunter2\n\n", "hunter2\n"),
        (" hunter2 ", " hunter2 "),
        ("", ""),
        ("pässwörd", "pässwörd"),
    ],
)
def test_one_newline_at_the_end_of_a_file_is_not_part_of_it(content: str, value: str, tmp_path: Path) -> None:
    assert Secrets(folder(tmp_path, a=content), {}).expand("{secret:a}").reveal() == value


def test_a_changed_secret_is_read_anew_and_both_stay_masked(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="hunter2"), {})
    assert secrets.expand("{secret:a}").reveal() == "hunter2"
    folder(tmp_path, a="hunter3")
    assert secrets.expand("{secret:a}").reveal() == "hunter3"
    assert secrets.redact("hunter2, then hunter3") == "***, then ***"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{secret:a}", "p@ss/w:rd"),
        ("<{secret:a}-{secret:b}>", "<p@ss/w:rd-x y>"),
        ("{secret:a b}", "{secret:a b}"),  # no name of a secret
        ("{secret:}", "{secret:}"),
        ("{Secret:a}", "{Secret:a}"),
    ],
)
def test_placeholders_are_filled_in(text: str, expanded: str, tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="p@ss/w:rd", b="x y"), {})
    assert secrets.expand(text).reveal() == expanded


def test_a_secret_with_a_placeholder_in_it_is_not_expanded_again(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="{secret:b}", b="x"), {})
    assert secrets.expand("{secret:a}").reveal() == "{secret:b}"


def test_in_a_url_a_secret_is_percent_encoded(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="p@ss/w:rd?#%ü"), {})
    url = secrets.expand("rtsp://viewer:{secret:a}@10.0.0.5/s", url=True)
    assert url.reveal() == "rtsp://viewer:p%40ss%2Fw%3Ard%3F%23%25%C3%BC@10.0.0.5/s"


def test_a_missing_secret_is_named_with_every_place(tmp_path: Path) -> None:
    own = folder(tmp_path / "own")
    secrets = Secrets(own, {"CREDENTIALS_DIRECTORY": "/run/credentials/x", "VEDETTE_SECRET_OTHER": "x"})
    with pytest.raises(SecretError) as caught:
        secrets.expand("rtsp://viewer:{secret:door-2}@h/s")
    assert str(caught.value) == (
        "secret 'door-2' is not there; looked for "
        f"/run/credentials/x/door-2, {own}/door-2, $VEDETTE_SECRET_DOOR_2"
    )
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [("a", b"\xff", "it is not UTF-8 text"), ("..", None, "Is a directory")],
)
def test_a_secret_that_cannot_be_read(name: str, content: bytes | None, why: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SecretError) as caught:
        Secrets(tmp_path, {}).expand(f"{{secret:{name}}}")
    assert str(caught.value) == f"secret {name!r}: {tmp_path / name} cannot be read: {why}"


# --- that they are seen nowhere ---


def test_a_secret_hides_itself() -> None:
    secret = Secret("hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", repr([secret]), repr({"a": secret})]
    assert "hunter2" not in "".join(shown)
    assert (str(secret), repr(secret)) == ("***", "Secret(***)")
    assert secret.reveal() == "hunter2"


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_what_was_filled_in_is_masked_in_each_of_its_forms(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="p@ss/w rd"), {})
    assert secrets.redact("p@ss/w rd") == "p@ss/w rd"  # nobody has asked for it yet
    secrets.expand("{secret:a}")
    text = "plain p@ss/w rd, in a URL p%40ss%2Fw%20rd, in a path p%40ss/w%20rd, {secret:a}"
    assert secrets.redact(text) == "plain ***, in a URL ***, in a path ***, {secret:a}"


def test_a_secret_is_masked_as_python_and_json_quote_it(tmp_path: Path) -> None:
    value = "p'a\"s\\sü"
    secrets = Secrets(folder(tmp_path, a=value), {})
    secrets.expand("{secret:a}")
    for quoted in (repr(value), json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert secrets.redact(f"<{quoted}>") in ("<'***'>", '<"***">')


def test_secrets_may_be_filled_in_and_masked_by_several_threads(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(300)]
    secrets = Secrets(folder(tmp_path, **{name: f"value-of-{name}." for name in names}), {})
    with ThreadPoolExecutor(4) as threads:
        expanded = [threads.submit(secrets.expand, f"{{secret:{name}}}") for name in names]
        masked = [threads.submit(secrets.redact, "text") for _ in names]
        assert [done.result() for done in masked] == ["text"] * len(names)
        assert {done.result().reveal() for done in expanded} == {f"value-of-{name}." for name in names}
    assert secrets.redact("".join(f"value-of-{name}." for name in names)) == "***" * len(names)


def test_of_two_secrets_the_longer_is_masked_first(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="hunter", b="hunter2"), {})
    secrets.expand("{secret:a}{secret:b}")
    assert secrets.redact("hunter2 hunter") == "*** ***"


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_a_short_secret_tears_no_holes_into_texts(value: str, tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a=value), {})
    url = secrets.expand("rtsp://viewer:{secret:a}@h/abc", url=True).reveal()
    assert secrets.redact("a cab, an abc") == "a cab, an abc"
    assert secrets.redact(url) == "rtsp://viewer:***@h/abc"


REDACTED = [
    ("no URL", "no URL"),
    ("1rtsp://viewer:hunter2@h/s", "1rtsp://viewer:***@h/s"),
    ("rtsp://h/s", "rtsp://h/s"),
    ("rtsp://viewer@h/s", "rtsp://viewer@h/s"),
    ("rtsp://viewer:hunter2@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://:hunter2@h/s", "rtsp://:***@h/s"),
    ("rtsp://viewer:@h/s", "rtsp://viewer:***@h/s"),
    # characters that should have been encoded
    ("rtsp://viewer:hunt@er:2@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:@hunter2@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:hunter2:@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:{hunter2}@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:hunter2'\"<>@h/s", "rtsp://viewer:***@h/s"),
    ("mqtts+x-1.0://a:hunter2@h:8883", "mqtts+x-1.0://a:***@h:8883"),
    ("RTSP://viewer:hunter2@[::1]:554/s", "RTSP://viewer:***@[::1]:554/s"),
    ("rtsp://viewer:hun/ter?2#@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:12/hunter2@h/s?x=1", "rtsp://viewer:12/hunter2@h/s?x=1"),  # a port, for all one can tell
    ("http://[::1]:8080/at@path", "http://[::1]:8080/at@path"),
    # in a text, and several
    (
        "'rtsp://a:hunter2@h/1' failed; trying rtsp://b:hunter2@h/2, then http://h/3",
        "'rtsp://a:***@h/1' failed; trying rtsp://b:***@h/2, then http://h/3",
    ),
    ("http://h:8080/at@path", "http://h:8080/at@path"),
    ("http://h:8080 told me@home", "http://h:8080 told me@home"),
    # names of secrets are told
    ("rtsp://viewer:{secret:door}@h/s", "rtsp://viewer:{secret:door}@h/s"),
    ("rtsp://{secret:user}:{secret:door}@h/s", "rtsp://{secret:user}:{secret:door}@h/s"),
    ("rtsp://{secret:user}:hunter2@h/s", "rtsp://{secret:user}:***@h/s"),
    ("rtsp://{secret:both}@h/s", "rtsp://{secret:both}@h/s"),
    ("rtsp://viewer:{secret:door}hunter2@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:hunter2{secret:door}@h/s", "rtsp://viewer:***@h/s"),
    ("rtsp://viewer:{secret:door}@h/at@path", "rtsp://viewer:{secret:door}@h/at@path"),
    ("rtsp://viewer:{secret:door}@hunter2@h/s", "rtsp://viewer:***@h/s"),
    # parameters
    ("http://h/s?password=hunter2", "http://h/s?password=***"),
    ("http://h/s?x=1&pwd=hunter2&y=2", "http://h/s?x=1&pwd=***&y=2"),
    ("http://h/s?PassWord=hunter2#top", "http://h/s?PassWord=***#top"),
    ("http://h/s;auth=hunter2", "http://h/s;auth=***"),
    ("http://h/s?access_token=hunter2 failed", "http://h/s?access_token=*** failed"),
    ("http://h/s?api-key=hunter2&api.key=hunter2", "http://h/s?api-key=***&api.key=***"),
    ("http://h/s?user=me&loginpass=hunter2", "http://h/s?user=me&loginpass=***"),
    ("http://h/s?pw=hunter2", "http://h/s?pw=***"),
    ("http://h/s?loginuse=me&loginpas=hunter2", "http://h/s?loginuse=me&loginpas=***"),
    ("rtsp://h/user=me_password=hunter2_channel=1.sdp", "rtsp://h/user=me_password=***"),
    ("'http://h/s?secret=hunter2'", "'http://h/s?secret=***'"),
    ("http://h/s?size=640x360&fps=25", "http://h/s?size=640x360&fps=25"),
    ("http://a:hunter2@h/s?token=hunter2", "http://a:***@h/s?token=***"),
    ("http://h/s?token={secret:door}&x=1", "http://h/s?token={secret:door}&x=1"),
    ("http://h/s?token={secret:door}hunter2&x=1", "http://h/s?token=***&x=1"),
    ("http://h/s?token=hunter2{secret:door}", "http://h/s?token=***"),
]


@pytest.mark.parametrize(("text", "redacted"), REDACTED, ids=[text for text, _ in REDACTED])
def test_passwords_of_urls_are_masked(text: str, redacted: str) -> None:
    assert redact_url(text) == redacted
    assert redact_url(redacted) == redacted  # twice does no harm
    assert Secrets(None, {}).redact(text) == redacted


@pytest.mark.timeout(5)  # each took many seconds, or would, if a pattern were quadratic
@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000,
        "a://" * 50_000,
        "a://b:" * 40_000,
        "a://" + "b:" * 100_000,
        "a://" + "{secret:" * 20_000,
        "a://x:" + "{secret:a}" * 20_000,
        "?" + "pass" * 50_000,
        "?pass" * 40_000,
        "?pass=" + "{secret:a}" * 20_000,
    ],
    ids=lambda text: text[:12],
)
def test_masking_takes_no_time_on_long_texts(text: str) -> None:
    assert redact_url(text)[:4] == text[:4]


# --- what nobody named a secret, and is one ---

LEARNED: list[tuple[object, str]] = [
    ("rtsp://viewer:hun%40ter22@h/s", "hun@ter22"),
    ({"source": "rtsp://viewer:hunter22@h/s"}, "hunter22"),
    ([{"deep": ({"x": "http://h/?token=hunter22"},)}], "hunter22"),
    ({"password": "hunter22"}, "hunter22"),
    ({"broker_password": "h22!"}, "h22!"),
    ({"credentials": {"user": "viewer", "value": ["hunter22"]}}, "hunter22"),
    ({"api-key": "hunter22"}, "hunter22"),
    ({"key": "hunter22"}, "hunter22"),
    ({"pin": 12345678}, "12345678"),
    ({"secrets": ["hunter22"]}, "hunter22"),
    ({"headers": {"Authorization": "Bearer hunter22"}}, "hunter22"),
    ({"headers": {"X-Api-Key": "hunter22"}}, "hunter22"),
]


@pytest.mark.parametrize(("tree", "secret"), LEARNED, ids=[str(tree) for tree, _ in LEARNED])
def test_what_was_learned_is_masked_everywhere(tree: object, secret: str) -> None:
    secrets = Secrets(None, {})
    text = f"it is {secret}, {secret!r}, {json.dumps(secret)}"
    assert secret in secrets.redact(text)
    secrets.learn(tree)
    assert secret not in secrets.redact(text)


def test_basic_authorization_of_a_url_is_masked() -> None:
    secrets = Secrets(None, {})
    secrets.learn("http://viewer:hunter22@h/s")
    packed = base64.b64encode(b"viewer:hunter22").decode()
    assert secrets.redact(f"Authorization: Basic {packed}").removesuffix("=") == "Authorization: Basic ***"


@pytest.mark.parametrize(
    "tree",
    [
        {"password": "abc"},  # it would tear holes into every text
        {"password": "{secret:door}"},
        {"key": "person"},
        {"pin": 1234},
        {"password": True},
        {"password": None},
        {"public_key": "a public key"},
        {"secrets": "/etc/vedette/secrets"},
        {"cert_file": "/etc/vedette/key"},
        {"source": "http://h/s?keyframes=auto"},
        {"keyframes": "automatic"},
    ],
    ids=str,
)
def test_everyday_words_are_not_learned(tree: dict[str, object]) -> None:
    secrets = Secrets(None, {})
    secrets.learn(tree)
    text = (
        "abc {secret:door} person 1234 true none a public key /etc/vedette/secrets /etc/vedette/key automatic"
    )
    assert secrets.redact(text) == text


def test_what_is_learned_is_bounded_and_what_is_ours_is_kept(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path, a="hunter22"), {})
    secrets.expand("{secret:a}")
    secrets.learn({"password": "of the file"}, "ours")
    secrets.learn({"password": "passing by"}, "passing")
    for start in range(0, 5000, 1000):
        secrets.learn([{"password": f"pass-{number:06}"} for number in range(start, start + 1000)])
    assert secrets.redact("hunter22 pass-004999 pass-000904") == "*** *** ***"
    assert secrets.redact("pass-000903") == "pass-000903"
    for number in range(300):
        secrets.learn({"password": f"command-{number:06}"}, "passing")
    assert secrets.redact("command-000299 command-000044") == "*** ***"
    assert secrets.redact("command-000043 passing by") == "command-000043 passing by"
    secrets.learn([{"password": f"{number:06}" * 50_000} for number in range(8)], "passing")
    assert secrets.redact("of the file, hunter22, pass-004999") == "***, ***, ***"


@pytest.mark.timeout(20)
def test_a_thousand_secrets_cost_little_to_learn_and_to_mask() -> None:
    secrets = Secrets(None, {})
    secrets.learn([{"source": f"rtsp://viewer:hunter-{number:04}@h/s"} for number in range(1000)])
    began = time.process_time()
    for _ in range(100):
        secrets.redact("a line of a log, as long as such a line usually is, without a secret in it")
    assert (time.process_time() - began) / 100 < 0.02  # 0.3 ms where it was measured


HIDDEN_TREES = [
    ({"password": "hunter2", "user": "me"}, {"password": "***", "user": "me"}),
    ({"password": 1234}, {"password": "***"}),
    ({"password": "{secret:door}"}, {"password": "{secret:door}"}),
    ({"password": None, "token": False}, {"password": None, "token": False}),
    (
        {"credentials": {"user": "a", "more": ["b", 1]}},
        {"credentials": {"user": "***", "more": ["***", "***"]}},
    ),
    ({"license_key": "x"}, {"license_key": "***"}),
    ({"public_key": "x", "keyframes": "auto"}, {"public_key": "x", "keyframes": "auto"}),
    ({"secrets": "/etc/secrets"}, {"secrets": "/etc/secrets"}),
    ({"key_file": "/etc/key.pem"}, {"key_file": "/etc/key.pem"}),
]


@pytest.mark.parametrize(("tree", "shown"), HIDDEN_TREES, ids=[str(tree) for tree, _ in HIDDEN_TREES])
def test_a_tree_is_shown_without_secrets(tree: object, shown: object) -> None:
    assert redacted(tree) == shown
