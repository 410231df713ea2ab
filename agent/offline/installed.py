"""Algorithms by the name of their kind, as agent.toml names them: into instances of this process."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agent.config.algorithms import AlgorithmConfig
from agent.config.nearest import did_you_mean
from agent.errors import ConfigError, KindError
from agent.ipc.foreign import Raised, call_foreign
from agent.ipc.inspecting import KindFound
from agent.offline.use import Use
from agent.worker import kinds

_OURS = "agent.errors.KindError: "  # our own sentence needs no name of an exception before it


def installed(
    configs: Sequence[AlgorithmConfig], folder: Path | None, *, workers: int | None = None
) -> list[Use]:
    """What these tables of agent.toml mean offline; `folder`: where kinds lie that are single files.

    Several `workers` of a table share streams, of which there is one at a time here: only those of an
    algorithm that is stateless share windows. Those in the argument are meant for all, stateless or not.

    A kind may be a path that ends in .py, too: a file with one algorithm. Raises KindError and ConfigError,
    which name what is wrong with each of them.
    """
    uses: list[Use] = []
    problems: list[str] = []
    for config in configs:
        kind, member = _load(config.kind, folder)
        problems += [f"{config.id}: {line}" for line in kinds.problems(member, config.params)]
        if problems:
            continue
        made = call_foreign(lambda member=member, config=config: kinds.make(member, config.id, config.params))  # type: ignore[misc]
        if isinstance(made, Raised):
            raise KindError(f"{kind} cannot be made: {made.error}")
        use = Use(
            made,
            frame_count=config.frame_count,
            frame_step=config.frame_step,
            interval=config.interval,
            keyframes=config.keyframes,
            size=config.size,
            pixel_format=config.pixel_format,
            workers=workers or (config.workers if getattr(made, "stateless", False) else 1),
            kind=kind,
        )
        uses.append(use)
    if problems:
        raise ConfigError("the algorithms cannot be used:\n  " + "\n  ".join(problems))
    return uses


def described(file: str) -> KindFound:
    """What the one algorithm of a file says of itself; its code is imported. Raises KindError."""
    kind, member = _load(file, None)
    return kinds.describe(kind, member, f"file:{Path(file).absolute()}")


def _load(kind: str, folder: Path | None) -> tuple[str, kinds.Kind]:
    """The kind's own name, and its class; foreign code is imported."""
    if not kind.endswith(".py"):
        return kind, _find(kind, folder)
    if not Path(kind).is_file():
        raise KindError(f"{kind}: there is no such file")
    found = call_foreign(lambda: kinds.load(f"file:{Path(kind).absolute()}"))
    if isinstance(found, Raised):
        raise KindError(found.error.removeprefix(_OURS))
    if len(found) > 1:
        raise KindError(
            f"{kind} has several algorithms: put it into paths.algorithms, and name one of {', '.join(found)}"
        )
    return next(iter(found.items()))


def _find(kind: str, folder: Path | None) -> kinds.Kind:
    """An installed kind, or one of the folder; a file that cannot be loaded hides no other."""
    known: list[str] = []
    failed = ""
    for origin in kinds.origins(folder):
        sort, _, name = origin.partition(":")
        if sort == "entry-point" and name != kind:  # not loaded: it may import much
            known.append(name)
            continue
        found = call_foreign(partial(kinds.load, origin))
        if isinstance(found, Raised):
            failed += f"; {name} cannot be loaded: {found.error.removeprefix(_OURS)}"
        elif kind in found:
            return found[kind]
        else:
            known += found
    hint = did_you_mean(kind, known) or "; see `vedette kinds`"
    raise KindError(f"no algorithm kind {kind!r} is installed here{hint}{failed}")
