"""What one browser session has: what plays for it, what it uploaded; and the end of all of it."""

import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import BinaryIO

from agent.config.secret import Secrets
from agent.errors import VedetteError
from agent.studio.history import History
from agent.studio.player import Phase, Player, Start
from agent.studio.recipe import Recipe

_COPY_BYTES = 1 << 20


class Sitting:
    """One viewer. `close` ends what it began; it is called when the browser has been gone for a while."""

    def __init__(self, folder: Path | None, secrets: Path | None) -> None:
        """`folder`: where kinds lie that are single files; `secrets`: of `{secret:name}` in sources."""
        self.folder = folder
        self._secrets = Secrets(secrets)
        self._uploads: Path | None = None
        self.history = History()
        self.player: Player | None = None
        self.recipe: Recipe | None = None
        self._old: weakref.WeakSet[Player] = weakref.WeakSet()  # those that were asked to end
        with _LOCK:
            _SITTINGS.add(self)

    def begin(self, recipe: Recipe, *, paused: bool, hurry: bool, draws: bool) -> None:
        """Play this from its start position. Raises VedetteError, and then nothing has changed."""
        self._play(
            recipe, Start(position_s=recipe.start_s, paused=paused, hurry=hurry, draws=draws), anew=True
        )

    def change(self, recipe: Recipe, *, hurry: bool, draws: bool) -> None:
        """Play this in place of what plays, from the same position; another start position begins there.

        Raises VedetteError, and then nothing has changed.
        """
        player, before = self.player, self.recipe
        if player is None or before is None:
            return
        look = player.look()
        paused = player.gate.paused or look.phase in (Phase.ENDED, Phase.FAILED)
        if recipe.start_s != before.start_s:
            self.begin(recipe, paused=paused, hurry=hurry, draws=draws)
            return
        start = Start(
            position_s=look.position_s,
            seeks=not look.live,
            paused=paused,
            hurry=hurry,
            draws=draws,
            origin_s=None if look.live else player.origin_s,
        )
        self._play(recipe, start, anew=recipe.kind != before.kind)

    def stop(self) -> None:
        """End what plays, and forget it."""
        if self.player is not None:
            self._old.add(self.player)
            self.player.close()
        self.player = self.recipe = None
        self.history = History()

    def keep(self, name: str, content: BinaryIO) -> Path:
        """An uploaded file, on disk until the next one, or the end of the sitting."""
        if self._uploads is None:
            self._uploads = Path(tempfile.mkdtemp(prefix="vedette-studio-"))
        for other in self._uploads.iterdir():
            other.unlink()
        path = self._uploads / (Path(name).name or "upload")
        with path.open("wb") as file:
            shutil.copyfileobj(content, file, _COPY_BYTES)
        return path

    def close(self) -> None:
        """End everything; waits for nothing."""
        self.stop()
        if self._uploads is not None:
            shutil.rmtree(self._uploads, ignore_errors=True)
            self._uploads = None
        with _LOCK:
            _SITTINGS.discard(self)
            _ENDING.update(self._old)

    def _play(self, recipe: Recipe, start: Start, *, anew: bool) -> None:
        try:
            use = recipe.use(self.folder)
            source = self._secrets.expand(recipe.source, url=True).reveal()
        except VedetteError as err:
            err.args = (self._secrets.redact(str(err)),)
            raise
        history = History() if anew else self.history
        before = self.player
        # Its constructor asks the one before to end, and its thread waits for that.
        self.player = Player(
            source, use, history, start, fps=recipe.fps, before=before, redact=self._secrets.redact
        )
        self.history, self.recipe = history, recipe
        if before is not None:
            self._old.add(before)


# Streamlit knows sessions, and tells nobody when the server ends: so there is one list for the process.
_LOCK = threading.Lock()
_SITTINGS: weakref.WeakSet[Sitting] = weakref.WeakSet()
_ENDING: weakref.WeakSet[Player] = weakref.WeakSet()


def close_all(timeout_s: float) -> bool:
    """The server ends: so does everything that plays. Whether it did so in time."""
    with _LOCK:
        sittings = list(_SITTINGS)
    for sitting in sittings:
        sitting.close()
    deadline_s = time.monotonic() + timeout_s
    with _LOCK:
        ending = list(_ENDING)
    return all([player.join(max(0.0, deadline_s - time.monotonic())) for player in ending])  # noqa: C419  each
