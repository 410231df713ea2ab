"""A machine of its own for tests that need the real systemd: booted in a container, gone with its `with`.

Its root is this machine's, under an overlay in memory: it sees every program that is here and can change
nothing. All its mounts are in a mount namespace that ends with its last process. It shares the network, so
a broker of the test on 127.0.0.1 is a broker on its own loopback.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.left_out import leave_out
from tests.waiting import POLL_S, eventually

REPOSITORY = Path(__file__).parent.parent
BOOT_S = 40.0
CGROUPS = Path("/sys/fs/cgroup")
PREFIX = Path("/opt/vedette")  # where docs/install.md puts it
_PYTHON = Path("/opt/python")
_LIBRARIES = PREFIX / "libraries"

# Nothing runs by this machine's own plans, and no bus is brought up on demand: not everyone has one.
_UNWANTED = ("timers.target", "dbus.socket", "dbus.service")
# Everything is mounted where only this process and its children see it.
_START = """
mount -t tmpfs tmpfs {folder}
mkdir {folder}/changes {folder}/work {folder}/root
cp -a {seed}/. {folder}/changes/
mount -t overlay overlay -o lowerdir=/,upperdir={folder}/changes,workdir={folder}/work {folder}/root
exec systemd-nspawn --quiet --register=no --keep-unit --console=pipe --boot --directory={folder}/root \
    {options} systemd.unit=basic.target
"""
# Its process and mount namespaces end with it, and it with the tests, also when they are killed.
_UNSHARED = ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private", "--pid"]
_UNSHARED += ["--mount-proc", "--fork", "--kill-child"]


class Machine:
    """A booted systemd, inside the `with` block. `seed` is a folder whose files are laid over its root."""

    def __init__(self, folder: Path, seed: Path, options: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._seed = seed
        self._options = options
        self._log = folder / "console.log"
        self._cgroups: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self.init_pid = 0
        """Its PID 1, as numbered outside."""

    def __enter__(self) -> Self:
        _see_whether_it_can_be()
        root = self._folder / "machine"
        root.mkdir(parents=True)
        units = self._seed / "etc/systemd/system"
        units.mkdir(parents=True, exist_ok=True)
        for unwanted in _UNWANTED:
            (units / unwanted).symlink_to("/dev/null")
        script = _START.format(
            folder=shlex.quote(str(root)),
            seed=shlex.quote(str(self._seed)),
            options=shlex.join(self._options),
        )
        self._cgroups = _own_cgroups()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*_UNSHARED, "sh", "-euc", _entering(self._cgroups) + script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_for_boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        family = psutil.Process(self._process.pid).children(recursive=True) if self._lives() else []
        if self.init_pid:  # its PID 1: with it all its processes go, and then the mounts
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self.init_pid).kill()
        self._process.kill()
        self._process.wait()
        eventually(lambda: not any(process.is_running() for process in family), 10.0, "the machine is gone")
        for cgroup in self._cgroups:
            for path, _, _ in os.walk(cgroup, topdown=False):
                eventually(lambda path=path: _removed(Path(path)), 5.0, f"{path} is gone")  # type: ignore[misc]

    @property
    def root(self) -> Path:
        """Its root directory, as seen from outside; with all that it has mounted."""
        return Path(f"/proc/{self.init_pid}/root")

    def run(
        self, *command: str, check: bool = True, timeout_s: float = 30.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, outside of any service. Raises AssertionError when it fails."""
        done = subprocess.run(
            self._inside(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": ""},
        )
        if check:
            assert done.returncode == 0, f"{shlex.join(command)}: {done.returncode}: {done.stderr}"
        return done

    def console(self) -> str:
        """What systemd has said."""
        return self._log.read_text("utf-8", "replace")

    def _inside(self, *command: str) -> list[str]:
        return ["nsenter", f"--target={self.init_pid}", "--mount", "--uts", "--ipc", "--pid", "--", *command]

    def _lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _wait_for_boot(self) -> None:
        deadline_s = time.monotonic() + BOOT_S
        while time.monotonic() < deadline_s:
            if not self._lives():
                leave_out(f"systemd-nspawn cannot work here: {self.console()[-500:].strip()!r}")
            self.init_pid = self.init_pid or self._find_init()
            if self.init_pid:
                asked = self.run("systemctl", "is-system-running", check=False)
                if asked.stdout.strip() in {"running", "degraded"}:
                    return
            time.sleep(POLL_S)
        leave_out(f"systemd does not boot here within {BOOT_S:g} s: {self.console()[-500:].strip()!r}")

    def _find_init(self) -> int:
        """The process that is PID 1 inside; 0 before it is systemd."""
        assert self._process is not None
        for process in psutil.Process(self._process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == "systemd":
                    return process.pid
        return 0


def with_vedette(seed: Path) -> tuple[str, ...]:
    """Lay the agent into `seed` as installed in /opt/vedette; the options that the machine needs for it.

    The code is the repository's; interpreter and libraries are those that run the tests, bound to where a
    service finds them that sees no home.
    """
    prefix = seed / PREFIX.relative_to("/")
    packages = prefix / f"lib/python{sysconfig.get_python_version()}/site-packages"
    packages.mkdir(parents=True)
    for package in ("agent", "algos"):
        # With what is compiled already: the service could not write it.
        shutil.copytree(REPOSITORY / package, packages / package)
    base = Path(sys.base_prefix).resolve()
    options = [f"--bind-ro={base}:{_PYTHON}"]
    folders = [Path(entry) for entry in sys.path if entry.endswith("-packages") and Path(entry).is_dir()]
    for number, folder in enumerate(folders):
        options.append(f"--bind-ro={folder.resolve()}:{_LIBRARIES}/{number}")
    # As a path, not as a site: what an editable installation has there would lead back to the repository.
    lines = "".join(f"{_LIBRARIES}/{number}\n" for number in range(len(folders)))
    (packages / "libraries.pth").write_text(lines, "utf-8")
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    home = (_PYTHON / python.relative_to(base)).parent
    (prefix / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n", "utf-8")
    program = prefix / "bin/vedette"
    program.parent.mkdir()
    (prefix / "bin/python").symlink_to(home / python.name)
    program.write_text(
        f"#!{PREFIX}/bin/python\nimport sys\nfrom agent.cli import main\n"
        "if __name__ == '__main__':\n    sys.exit(main())\n",
        "utf-8",
    )
    program.chmod(0o755)
    return tuple(options)


def libraries_of_python() -> Mapping[str, str]:
    """What the environment of a program inside must say for the interpreter to find its own library."""
    return {"LD_LIBRARY_PATH": f"{_PYTHON}/lib"} if sysconfig.get_config_var("Py_ENABLE_SHARED") else {}


def _see_whether_it_can_be() -> None:
    if os.getuid() != 0:
        leave_out("only root can boot systemd in a container")
    for program, package in (("systemd-nspawn", "systemd-container"), ("unshare", "util-linux")):
        if not shutil.which(program):
            leave_out(f"{program} is not installed (Debian: apt-get install {package})")
    tried = subprocess.run(
        [*_UNSHARED, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        leave_out(f"nothing can be mounted here: {tried.stderr.strip()}")


def _own_cgroups() -> list[Path]:
    """New cgroups, below those of this process, in the hierarchies that systemd uses.

    systemd-nspawn would make some of a fixed name beside this process, and leave them; two at once would
    share them.
    """
    name = f"vedette-test-{uuid.uuid4().hex[:8]}"
    made = []
    for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "name=systemd"):
            continue
        unified = CGROUPS if (CGROUPS / "cgroup.procs").exists() else CGROUPS / "unified"
        base = CGROUPS / "systemd" if controllers else unified
        cgroup = base / path.lstrip("/") / name
        with contextlib.suppress(OSError):  # not mounted, or not ours: nspawn will say
            cgroup.mkdir()
            made.append(cgroup)
    return made


def _entering(cgroups: list[Path]) -> str:
    return "".join(f"echo $$ > {shlex.quote(str(cgroup / 'cgroup.procs'))}\n" for cgroup in cgroups)


def _removed(cgroup: Path) -> bool:
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # its last process is about to end
        return False
    return True
