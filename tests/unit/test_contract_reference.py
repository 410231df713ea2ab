"""The generated documents: complete, readable by machines, and committed as they are."""

import json
import math

import jsonschema
import pytest

from agent.contract.asyncapi import asyncapi, schemas
from agent.contract.reference import DOCS, documents
from agent.contract.result import ENVELOPE_VERSION, Result, ResultHead
from agent.contract.status import (
    AlgorithmState,
    AlgorithmStatus,
    DeviceState,
    DeviceStatus,
    Reported,
    StreamState,
    StreamStatus,
)
from agent.contract.topics import TOPICS
from agent.contract.verbs import VERBS
from agent.contract.yaml import to_yaml

T = 1_790_000_000_000_000


@pytest.mark.parametrize("name", ["mqtt.md", "asyncapi.yaml", "asyncapi.html"])
def test_the_committed_copy_is_what_the_models_say(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == documents()[name], "run `python -m agent.contract.reference`"


def test_the_reference_has_every_topic_verb_and_state() -> None:
    text = documents()["mqtt.md"]
    for topic in TOPICS:
        assert f"`{topic.path}`" in text
    for verb in VERBS:
        assert f"### `{verb}`" in text
    for state in (*StreamState, *AlgorithmState, *DeviceState):
        assert f"`{state}`" in text


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi()
    references = []

    def collect(tree: object) -> None:
        if isinstance(tree, dict):
            if isinstance(tree.get("$ref"), str):
                references.append(tree["$ref"])
            for value in tree.values():
                collect(value)
        elif isinstance(tree, list):
            for value in tree:
                collect(value)

    collect(document)
    assert len(references) > len(VERBS)
    for reference in references:
        place: object = document
        for step in reference.removeprefix("#/").split("/"):
            assert isinstance(place, dict)
            place = place[step]
    assert len(document["operations"]) == len(TOPICS) - 1 + len(VERBS)
    assert len(document["channels"]) == len(document["operations"]), "no two share a name"


def test_every_schema_is_one_and_examples_obey() -> None:
    definitions = schemas()
    for schema in definitions.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for verb in VERBS.values():
        for model, example in ((verb.args, verb.example), (verb.reply, verb.example_reply)):
            schema = {"$ref": f"#/$defs/{model.__name__}", "$defs": definitions}
            jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(example)))


def test_every_example_of_a_message_obeys_its_schema() -> None:
    document = asyncapi()
    definitions = schemas()
    seen = 0
    for channel in document["channels"].values():
        for message in channel["messages"].values():
            text = json.dumps(message["payload"]).replace("#/components/schemas/", "#/$defs/")
            schema = json.loads(text) | {"$defs": definitions}
            for example in message.get("examples", ()):
                jsonschema.Draft202012Validator(schema).validate(example["payload"])
                seen += 1
    assert seen > 2 * len(VERBS), "each command, its reply, and what is published"


def test_every_bound_is_one_that_json_schema_knows() -> None:
    """Pydantic writes a bound on a union as it was called in Python: readers would skip it."""
    text = json.dumps(schemas())
    assert not [word for word in ("ge", "gt", "le", "lt", "multiple_of") if f'"{word}": ' in text]


def test_the_envelope_and_its_model_are_twins() -> None:
    assert [*ResultHead.__dataclass_fields__, "data"] == list(Result.model_fields)
    assert ENVELOPE_VERSION == 1


def test_status_documents_are_json_and_come_back() -> None:
    stream = StreamStatus(
        id="door", state=StreamState.RUNNING, since=T, origin="file", source="test://scene", fps=math.nan
    )
    algorithm = AlgorithmStatus(
        id="m", kind="motion", state=AlgorithmState.BROKEN, since=T, origin="command", error="no model"
    )
    reported = Reported(
        revision=1,
        epoch=2,
        time=T,
        streams={"door": stream},
        algorithms={"m": algorithm},
        delivery={"acknowledged": 3},
    )
    tree = json.loads(reported.json_bytes())
    assert tree["streams"]["door"]["fps"] is None  # NaN is no JSON
    assert tree["streams"]["door"]["frames"]["received"] == 0
    assert Reported.model_validate(tree).algorithms == {"m": algorithm}
    status = DeviceStatus(state=DeviceState.LOST, epoch=2, time=T)
    assert json.loads(status.json_bytes()) == {
        "state": "lost",
        "epoch": 2,
        "time": T,
        "version": "",
        "groups": [],
        "labels": {},
    }
    assert DeviceStatus.model_validate_json(b'{"state":"online","epoch":1,"time":1,"later":{}}').epoch == 1


def test_yaml_keeps_words_and_numbers_texts() -> None:
    tree = {"a": [], "yes": "no", "1": [[1, 2], [{"x": None, "y": [{}]}]], "c d": 'ü\n"', "t": True}
    assert to_yaml(tree) == (
        "a: []\n"
        '"yes": "no"\n'
        '"1":\n'
        "  - - 1\n"
        "    - 2\n"
        "  - - x: null\n"
        '      "y":\n'
        "        - {}\n"
        '"c d": "ü\\n\\""\n'
        "t: true\n"
    )
