"""What the dashboard's forms are tested with is what the models say, and worth testing with."""

import json
from collections import Counter

import jsonschema
import pytest

from agent.contract.verbs import VERBS
from tests.form_cases import FOLDER, documents

DOCUMENTS = documents()
SCHEMAS = json.loads(DOCUMENTS["schemas.json"])
CASES = json.loads(DOCUMENTS["form-cases.json"])


@pytest.mark.parametrize("name", ["schemas.json", "form-cases.json"])
def test_the_committed_copy_is_what_the_models_say(name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")
    assert committed == DOCUMENTS[name], "run `python -m tests.form_cases`"


def test_the_schemas_are_those_that_a_device_publishes() -> None:
    for name, verb in VERBS.items():
        assert SCHEMAS[name] == verb.args.model_json_schema()
    assert {"kind motion", "kind quality", "kind codes", "kind planted"} <= set(SCHEMAS)


def test_every_verdict_comes_up_and_none_outweighs() -> None:
    verdicts = Counter(verdict for _, _, verdict, _ in CASES)
    assert set(verdicts) == {"ok", "wrong", "coerced", "beyond"}
    assert verdicts["ok"] > 300
    assert verdicts["wrong"] > 300
    assert {name for name, *_ in CASES} == set(SCHEMAS)
    assert len(DOCUMENTS["form-cases.json"].encode()) < 150_000


def test_what_no_schema_tells_is_what_is_called_beyond() -> None:
    """So a form that knows the schema alone has to let it pass."""
    for name, value, verdict, _ in CASES:
        fits = jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid(value)
        if verdict in {"ok", "beyond"}:
            assert fits, (name, value)
