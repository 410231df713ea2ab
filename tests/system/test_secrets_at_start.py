"""Passwords in what ends soon, or never begins: brokers that refuse, configurations that cannot be used."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker import Mosquitto, free_port
from tests.planted import Planted, quoted
from tests.system.agent_process import AgentProcess


def _vedette(*arguments: str, timeout_s: float = 50.0, **environment: str) -> bytes:
    """Everything that a command says, on both of its ways."""
    done = subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        check=False,
        capture_output=True,
        timeout=timeout_s,
        env=os.environ | environment,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("how", ["url", "password", "tls", "reload"])
def test_a_broker_that_refuses_learns_it_and_nobody_else(tmp_path: Path, how: str) -> None:
    """The log of an agent that is not let in; and of one that is told a broken agent.toml while it runs."""
    planted = Planted()
    password = planted.password(how)
    with Mosquitto(tmp_path / "mosquitto", users={"gate": "another"}, tls=how == "tls") as broker:
        agent = AgentProcess(tmp_path, broker.url)
        source = f"rtsp://viewer:{quoted(planted.password('source'))}@127.0.0.1:{free_port()}/s"
        streams = [{"id": "door", "source": source}]
        match how:
            case "url":
                url = broker.url.replace("//", f"//gate:{quoted(password)}@")
                agent.configure(streams, broker={"url": url}, log={"level": "debug"})
            case "tls":  # with no authority that the agent knows
                url = broker.tls_url.replace("//", f"//gate:{quoted(password)}@")
                agent.configure(streams, broker={"url": url}, log={"level": "debug"})
            case _:
                login = {"username": "gate", "password": password}
                agent.configure(streams, broker=login, log={"level": "debug"})
        with agent:
            agent.wait_for_log(r"broker\.waiting", 30.0)
            agent.wait_for_log(r"stream\.trouble", 30.0)
            if how == "reload":
                text = agent.config.read_text("utf-8")
                agent.config.write_text(text.replace("[device]", "[device]\ngroups = 3"), "utf-8")
                agent.signal(signal.SIGHUP)
                agent.wait_for_log(r"config\.refused", 30.0)
                agent.config.write_text(text + f'\npassword = "{password}', "utf-8")
                agent.signal(signal.SIGHUP)
                agent.wait_for_log(r"is no TOML", 30.0)
            agent.signal(signal.SIGABRT)  # as the watchdog does: the stacks go to the log
            agent.process.wait(20)
            assert "Current thread" in agent.log()
        checked = _vedette("check", "--config", str(agent.config), "--json")
    assert how == "reload" or "door" in checked.decode()
    assert planted.found_in(agent.log().encode()) == set()
    assert planted.found_in(checked) == set()
    assert planted.found_in_files(agent.state) == {}


BROKEN = {
    "a key beside it": "[broker]\npasword = 'SECRET'\npassword = 'SECRET'\n",
    "a value beside it": "[broker]\npassword = 'SECRET'\nkeepalive_s = 'SECRET'\n",
    "a table in its place": "[broker.password]\nvalue = 'SECRET'\n",
    "a list in its place": "[broker]\npassword = ['SECRET']\n",
    "a user with control characters": '[broker]\nusername = "SECRET\\u0007"\n',
    "an unterminated text": "[broker]\npassword = 'SECRET\n",
    "twice": "[broker]\npassword = 'SECRET'\npassword = 'SECRET'\n",
    "no URL of a broker": "[broker]\nurl = 'mqqt://a:SECRET@h'\n",
    "a broker's URL with a bad port": "[broker]\nurl = 'mqtt://a:SECRET@h:x'\n",
    "a source with a bad port": "[[streams]]\nid = 'a'\nsource = 'rtsp://u:SECRET@h:99999/'\n",
    "a source with a bad host": "[[streams]]\nid = 'a'\nsource = 'rtsp://u:SECRET[@h/'\n",
    "a source of no known kind": "[[streams]]\nid = 'a'\nsource = 'rstp://u:SECRET@h/'\n",
    "a source as an id": "[[streams]]\nid = 'rtsp://u:SECRET@h/'\nsource = 'test://scene'\n",
    "a source as a stream": "[[algorithms]]\nid = 'a'\nkind = 'probe'\nstreams = ['rtsp://u:SECRET@h/']\n",
    "a secret's name": "[broker]\npassword = '{secret:no-such-name}SECRET'\n",
    "a certificate": "[broker]\npassword = 'SECRET'\nurl = 'mqtts://a:SECRET@h'\nca_file = 'no-such-file'\n",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_configuration_is_told_without_what_it_hides(tmp_path: Path, what: str) -> None:
    planted = Planted()
    config = tmp_path / "agent.toml"
    config.write_text(
        f"{BROKEN[what].replace('SECRET', planted.password(what, '-'))}\n"
        f"[paths]\nstate_dir = '{tmp_path}/state'\n",
        "utf-8",
    )
    said = _vedette("run", "--config", str(config))
    assert said
    assert b"Traceback" not in said
    assert planted.found_in(said) == set()


def test_settings_in_the_environment_are_not_told_either(tmp_path: Path) -> None:
    planted = Planted()
    said = _vedette(
        "check",
        "--config",
        str(tmp_path / "no-such-file"),
        VEDETTE_BROKER=f'{{"password": "{planted.password("broken JSON", "-")}"',
        VEDETTE_BROKER__URL=f"mqtt://a:{planted.password('URL', '-')}@[h",
        VEDETTE_STREAMS=f'[{{"id": "a", "source": "rtsp://a:{planted.password("source", "-")}@h:x/"}}]',
        VEDETTE_SECRETS_DOOR=planted.password("misspelt", "-"),
    )
    assert said
    assert planted.found_in(said) == set()
