"""A patch: some settings of an item, the others left as they are; null brings the default back."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from agent.config.problems import problems_of
from agent.errors import CommandError

_Item = TypeVar("_Item", bound=BaseModel)


class Patch(BaseModel):
    """Base of the patch models; only the settings that were given are set."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def applied_to(self, item: _Item) -> _Item:
        """The item with the given settings in place of its own; CommandError 422 when the whole is wrong."""
        settings: dict[str, Any] = item.model_dump(exclude_unset=True)
        for name in self.model_fields_set - {"id"}:
            if getattr(self, name) is None:
                settings.pop(name, None)
            else:
                settings[name] = getattr(self, name)
        return validated(type(item), settings)


def patch_model(name: str, item: type[BaseModel]) -> type[Patch]:
    """The model of a patch for `item`: its `id` is required, every other setting may be left out or null."""
    fields: dict[str, Any] = {}
    for key, field in item.model_fields.items():
        kind: Any = field.rebuild_annotation()  # with its range
        if key == "id":
            fields[key] = (kind, Field(description=field.description))
        else:
            fields[key] = (kind | None, Field(default=None, description=field.description))
    return create_model(name, __base__=Patch, __doc__=f"Some settings of a {name}.", **fields)


def validated(model: type[_Item], settings: Mapping[str, Any]) -> _Item:
    """`model` made of `settings`; CommandError 422 lists every problem, one a line."""
    try:
        return model.model_validate(settings)
    except ValidationError as err:
        raise CommandError(422, "\n".join(problems_of(err, model))) from err
