"""An algorithm and how it is used: which windows it gets."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from agent.config.algorithms import AlgorithmConfig, Keyframes, PixelFormat
from agent.config.problems import problems_of
from agent.errors import ConfigError
from agent.ipc.messages import SampleSpec


@dataclass(frozen=True, slots=True)
class Use:
    """One algorithm of an inference; the settings mean what they mean in agent.toml.

    Raises ConfigError for settings that cannot be.
    """

    algorithm: Any  # an instance of `algos.BaseAlgo`, or of any class with `run(frames)`
    frame_count: int = field(default=1, kw_only=True)  # frames a run gets, oldest first
    frame_step: int = field(default=1, kw_only=True)  # played frames from one to the next; 0 means 1
    interval: float = field(default=1.0, kw_only=True)  # seconds from run to run; 0: every played frame
    keyframes: Keyframes = field(default="auto", kw_only=True)
    size: tuple[int, int] | None = field(default=None, kw_only=True)  # width, height; None: the source's
    pixel_format: PixelFormat = field(default="bgr24", kw_only=True)
    workers: int = field(default=1, kw_only=True)  # runs at the same time; more than 1: it is stateless
    kind: str = field(default="", kw_only=True)  # name of its kind; "": as its class says

    def __post_init__(self) -> None:
        """Check the settings, as those of agent.toml are."""
        if not self.kind:
            kind = str(getattr(self.algorithm, "kind", None) or type(self.algorithm).__name__)
            object.__setattr__(self, "kind", kind)  # the way of a frozen class
        if isinstance(self.algorithm, type):
            name = self.algorithm.__name__
            raise ConfigError(f"{name} is a class: an inference takes an instance, {name}()")
        if not callable(getattr(self.algorithm, "run", None)):
            raise ConfigError(f"{type(self.algorithm).__name__} has no run(frames), so it is no algorithm")
        if self.workers > 1 and not getattr(self.algorithm, "stateless", False):
            raise ConfigError(
                f"{self.name}: several workers are for stateless algorithms: leave workers at 1, or set "
                f"`stateless = True` in {type(self.algorithm).__name__} if no run depends on another"
            )
        settings = {name: getattr(self, name) for name in _SETTINGS}
        try:
            AlgorithmConfig.model_validate({"id": self.name, "kind": self.kind, **settings})
        except ValidationError as err:
            raise ConfigError("\n".join(problems_of(err, AlgorithmConfig))) from None

    @property
    def name(self) -> str:
        """Id of the algorithm, in results."""
        return str(getattr(self.algorithm, "name", None) or type(self.algorithm).__name__)

    @property
    def version(self) -> str:
        """Version of its kind."""
        return str(getattr(self.algorithm, "version", "1"))

    @property
    def spec(self) -> SampleSpec:
        """Which windows it gets."""
        width, height = self.size or (0, 0)
        return SampleSpec(
            algorithm=self.name,
            frame_count=self.frame_count,
            frame_step=self.frame_step,
            interval_s=self.interval,
            keyframes=self.keyframes,
            width=width,
            height=height,
            pixel_format=self.pixel_format,
        )


_SETTINGS = ("frame_count", "frame_step", "interval", "keyframes", "size", "pixel_format", "workers")
