"""A Python environment of a test's own, in which packages can be installed without a network."""

import os
import shlex
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Environment:
    """A virtual environment that sees all that the tests' own has, Vedette from this folder included.

    What is installed into it stays in it. `pip` builds with the setuptools that is here, and asks no index.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "lib" / version / "site-packages"
        # Also the .pth files of an editable installation are read there.
        (packages / "outer.pth").write_text(
            f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n", encoding="utf-8"
        )
        self._add("pip", "-m", "pip")
        self._add("vedette", "-m", "agent")

    def _add(self, name: str, *words: str) -> None:
        script = self.bin / name
        script.write_text(f'#!/bin/sh\nexec {self.python} -P {shlex.join(words)} "$@"\n', encoding="utf-8")
        script.chmod(0o755)

    def variables(self, **more: str) -> dict[str, str]:
        """The environment variables of who has activated it; pytest's COLUMNS is left out."""
        inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        ours = {
            "VIRTUAL_ENV": str(self.bin.parent),
            "PATH": f"{self.bin}:{inherited['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as: without
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
        return inherited | ours | more

    def run(
        self, command: str, cwd: Path, *, timeout_s: float = 60.0, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A line of shell, to its end."""
        return subprocess.run(
            ["bash", "-c", f"set -euo pipefail; {command}"],
            cwd=cwd,
            env=self.variables(**(more or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
