"""Whether the algorithms that the configuration names are there, and take their parameters."""

from agent.cli.findings import Finding, doubtful, right, wrong
from agent.config.settings import Settings
from agent.errors import KindError
from agent.supervise.catalog import Catalog

_SECTION = "algorithm"


async def kinds(settings: Settings) -> list[Finding]:
    """Every algorithm, then every file that cannot be loaded."""
    catalog = Catalog(settings.paths.algorithms)
    await catalog.refresh()
    found = []
    for algorithm in settings.algorithms:
        try:
            catalog.find(algorithm.kind)
        except KindError as err:
            advice = "`vedette kinds` lists what is installed; own ones go into the folder paths.algorithms"
            found.append(wrong(_SECTION, str(err), advice, algorithm.id))
            continue
        try:
            await catalog.check(algorithm.kind, algorithm.params)
        except KindError as err:
            advice = f"`vedette kinds {algorithm.kind}` lists its parameters"
            found.append(wrong(_SECTION, str(err), advice, algorithm.id))
            continue
        streams = ", ".join(algorithm.streams).replace("*", "every stream")
        text = f"{algorithm.kind} on {streams}, every {algorithm.interval:g} s"
        found.append(
            right(_SECTION, text if algorithm.interval else f"{algorithm.kind} on {streams}", algorithm.id)
        )
    folder = settings.paths.algorithms
    if folder is not None and not folder.is_dir():
        found.append(doubtful("algorithms", f"{folder} is no folder", "make it, or set paths.algorithms"))
    for origin, error in catalog.failed.items():
        found.append(doubtful("kind", f"cannot be loaded: {error}", "repair it, or remove it", origin))
    return found
