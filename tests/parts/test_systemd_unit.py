"""The unit and each of its drop-ins, judged by systemd's own tools."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agent.errors import ConfigError
from tests.left_out import leave_out

UNITS = Path(__file__).parents[2] / "systemd"
DROP_INS = sorted((UNITS / "drop-ins").glob("*.conf"))
MOST_EXPOSED = "20"  # tenths, of 0 (safe) to 100
EXEC = "/opt/vedette/bin/vedette"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists here, for `verify` looks for it."""
    if not shutil.which("systemd-analyze"):
        leave_out("no systemd-analyze")
    text = (UNITS / "vedette.service").read_text("utf-8")
    assert f"ExecStart={EXEC} run" in text
    copy = tmp_path / "vedette.service"
    copy.write_text(text.replace(EXEC, "/bin/true"), "utf-8")
    return copy


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("drop_in", [None, *DROP_INS], ids=lambda path: path.stem if path else "none")
def test_unit_is_sound_and_safe(unit: Path, drop_in: Path | None) -> None:
    if drop_in:
        folder = unit.with_name("vedette.service.d")
        folder.mkdir()
        shutil.copy(drop_in, folder)
    verified = analyze("verify", "--recursive-errors=one", unit)
    assert (verified.returncode, verified.stdout) == (0, "")  # an unknown key is told and no error
    judged = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit)
    assert judged.returncode == 0, judged.stdout


def test_the_tools_would_tell(unit: Path) -> None:
    """The test above can fail: a misspelt key and a service without walls are found."""
    text = unit.read_text("utf-8")
    unit.write_text(text.replace("Type=notify", "Typ=notify"), "utf-8")
    assert "Unknown key 'Typ'" in analyze("verify", unit).stdout
    unit.write_text("[Service]\nExecStart=/bin/true\n", "utf-8")
    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit).returncode != 0


def test_a_useless_configuration_is_not_tried_again() -> None:
    """What the unit says of exit codes is what the exception tree says."""
    text = (UNITS / "vedette.service").read_text("utf-8")
    assert f"RestartPreventExitStatus={ConfigError.exit_code}\n" in text
