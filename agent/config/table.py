"""What all tables of agent.toml have in common."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from agent.config.secret import redacted


class Table(BaseModel):
    """Frozen, no unknown keys, only finite numbers; what it shows of itself has no passwords in it."""

    # A traceback shows pydantic's own text: without the values, that is.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        """What `repr` and `str` show."""
        for name, value, *_ in super().__repr_args__():
            yield name, redacted(value)
