"""The page as a folder for another web server. A folder that is not ours is left as it is."""

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agent.dashboard.errors import DashboardError
from agent.dashboard.files import CONFIG, INDEX, File
from agent.dashboard.opening import Opening

MARK: Final = ".vedette-dashboard"  # names what was exported, a line each


def export(files: Mapping[str, File], opening: Opening, folder: Path) -> None:
    """Write the page into `folder`, which is new, empty, or of an earlier export. Raises DashboardError.

    Files of an earlier export that the page has no more are removed; everything else stays. A config.json
    that is there stays, too, unless `opening` names a broker. A browser that loads the page meanwhile gets
    the old one or the new one: index.html is exchanged last, by renaming.
    """
    try:
        _export(files, opening, folder)
    except OSError as err:
        raise DashboardError(
            f"the page cannot be exported: {err.filename or folder}: {err.strerror}"
        ) from err


def _export(files: Mapping[str, File], opening: Opening, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    before = set(_marked(folder))
    if not before and any(folder.iterdir()):
        raise DashboardError(
            f"{folder} is not empty, and no export of the page: give a new or an empty folder"
        )
    names = sorted(files, key=lambda name: (name == INDEX, name))
    _write(folder / MARK, "".join(f"{name}\n" for name in sorted({*before, *names})).encode())
    if opening.broker is not None or not (folder / CONFIG).exists():
        _write(folder / CONFIG, opening.json_bytes())
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write(folder / name, files[name].body)
    for name in before - set(files):
        (folder / name).unlink(missing_ok=True)
    _write(folder / MARK, "".join(f"{name}\n" for name in sorted(names)).encode())


def _marked(folder: Path) -> Iterator[str]:
    """What an earlier export wrote; a name that leads out of the folder was not written by it."""
    if not (folder / MARK).is_file():
        return
    for name in (folder / MARK).read_text("utf-8", "replace").splitlines():
        parts = Path(name).parts
        if parts and not Path(name).is_absolute() and ".." not in parts:
            yield name


def _write(path: Path, body: bytes) -> None:
    """As a whole or not at all, for all to read."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(body)
        part.chmod(0o644)
        os.replace(part, path)  # noqa: PTH105  replaces what is there in one step, said as what it is
    finally:
        part.unlink(missing_ok=True)
