"""What `vedette new` writes: the name of an algorithm in all its spellings, and the files made of it."""

import builtins
import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from agent.errors import ScaffoldError

_MOST = 64
_SHAPE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
# Names that the templates use themselves, or that a Python package cannot take without hiding another.
_TAKEN = frozenset(
    {"algos", "agent", "any", "base_algo", "field", "frames", "stream_infer", "tests", "vedette"}
)

_PACKAGE = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "readme.md.txt",
    "src/{name}/__init__.py": "init.py.txt",
    "src/{name}/algorithm.py": "algorithm.py.txt",
    "tests/test_{name}.py": "test.py.txt",
}
_ONE_FILE = {"{name}.py": "algorithm.py.txt"}


@dataclass(frozen=True, slots=True)
class Name:
    """The name of an algorithm: of its module, and of its kind."""

    name: str  # my_algo

    @property
    def distribution(self) -> str:
        """As pip spells it: my-algo."""
        return self.name.replace("_", "-")

    @property
    def class_name(self) -> str:
        """As Python spells classes: MyAlgo."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @classmethod
    def checked(cls, given: str) -> "Name":
        """The name, from `my_algo` or `my-algo`. Raises ScaffoldError, with a name that would do."""
        name = given.replace("-", "_")
        if not _SHAPE.fullmatch(name) or len(name) > _MOST:
            raise ScaffoldError(
                f"{given!r} cannot be the name of an algorithm: lower-case letters, digits and single `_` or "
                f"`-`, at most {_MOST}, a letter first{_hint(given)}"
            )
        if keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
            raise ScaffoldError(f"{name!r} is a word of Python; try {name + '_algo'!r}")
        if name in _TAKEN or name in sys.stdlib_module_names:
            raise ScaffoldError(f"{name!r} is taken; try {name + '_algo'!r}")
        return cls(name)

    def hides(self, target: Path) -> str | None:
        """Where another module of this name is that can be imported here, but for files at `target`."""
        spec = importlib.util.find_spec(self.name)
        if spec is None or spec.origin is None:  # without origin: any folder of that name
            return None
        return None if Path(spec.origin).is_relative_to(target.resolve()) else spec.origin


def _hint(given: str) -> str:
    """`; try ...`, when something like `given` would do."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", given)
    near = re.sub(r"^[0-9_]+", "", "_".join(word.lower() for word in words))[:_MOST].rstrip("_")
    return f"; try {near!r}" if _SHAPE.fullmatch(near) else ""


def package(name: Name) -> Mapping[Path, str]:
    """The files of an installable package, by their places in its folder."""
    return _filled(name, _PACKAGE)


def one_file(name: Name) -> Mapping[Path, str]:
    """The file for a folder of algorithms."""
    return _filled(name, _ONE_FILE)


def _filled(name: Name, files: Mapping[str, str]) -> Mapping[Path, str]:
    words = {
        "name": name.name,
        "distribution": name.distribution,
        "class_name": name.class_name,
        "sentence": f"The algorithm {name.name}, for Vedette.",
    }
    folder = resources.files("agent.cli") / "templates"
    return {
        Path(place.format(name=name.name)): Template((folder / file).read_text("utf-8")).substitute(words)
        for place, file in files.items()
    }


def write(folder: Path, files: Mapping[Path, str]) -> None:
    """Write the files below `folder`, over none that is there. Raises ScaffoldError."""
    for place in files:
        if (folder / place).exists():
            raise ScaffoldError(f"{folder / place} is there already, and is not overwritten")
    try:
        for place, text in files.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as err:
        raise ScaffoldError(f"{err.filename or folder} cannot be written: {err.strerror}") from err
