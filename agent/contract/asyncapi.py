"""The contract for machines: JSON Schemas of every payload, and an AsyncAPI 3 document around them."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from agent.config.ids import ID_PATTERN
from agent.contract.commands import Reply, Request
from agent.contract.examples import example
from agent.contract.result import ENVELOPE_VERSION
from agent.contract.signed import SignedRequest
from agent.contract.topic import Topic
from agent.contract.topics import COMMAND, DEFAULT_PREFIX, TOPICS
from agent.contract.verbs import VERBS, Verb

_REF = "#/components/schemas/{model}"
_PLACES = {
    "device": "`device.id` of the agent",
    "stream": "id of a stream",
    "algorithm": "id of an algorithm",
    "client": "id that a client chose for itself",
    "group": "one of the agent's `device.groups`",
    "verb": "name of a command",
    "request": "id of the command",
    "part": "number of the part, from 1",
}


def schemas(ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """JSON Schema of every model of the contract, by the model's name."""
    models: dict[type[BaseModel], None] = {}  # a set that keeps its order
    for topic in TOPICS:
        if topic.payload is not None:
            models[topic.payload] = None
    models[SignedRequest] = None
    for verb in VERBS.values():
        models[verb.args] = None
        models[verb.reply] = None
    _, document = models_json_schema([(model, "validation") for model in models], ref_template=ref_template)
    definitions: dict[str, Any] = document["$defs"]
    return dict(sorted(definitions.items()))


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document; its version is the contract's, not the software's."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for topic in TOPICS:
        if topic is COMMAND:
            for verb in VERBS.values():
                channels[_verb_key(verb)] = _verb_channel(verb)
                operations[f"receive_{_verb_key(verb)}"] = _verb_operation(verb)
        else:
            channels[topic.name] = _channel(topic)
            action = "receive" if topic.direction == "in" else "send"
            operations[f"{action}_{topic.name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "bindings": _mqtt(topic),
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vedette",
            "version": f"{ENVELOPE_VERSION}.0.0",
            "description": "What a Vedette agent publishes over MQTT, and what may be asked of it. "
            f"The prefix `{DEFAULT_PREFIX}` is `broker.topic_prefix` of agent.toml.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": schemas(_REF)},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    payload = {"type": "string", "format": "binary"} if topic.payload is None else _ref(topic.payload)
    message: dict[str, Any] = {"contentType": topic.content_types[0], "payload": payload}
    if len(topic.content_types) > 1:
        message["description"] = f"Or as {', '.join(topic.content_types[1:])}."
    if (shown := example(topic.name)) is not None:
        message["examples"] = [{"payload": shown}]
    return {
        "address": f"{DEFAULT_PREFIX}/{topic.path}",
        "description": topic.description,
        "messages": {topic.name: message},
        "parameters": _parameters(topic.places),
    }


def _verb_channel(verb: Verb) -> dict[str, Any]:
    payload = {"allOf": [_ref(Request), {"type": "object", "properties": {"args": _ref(verb.args)}}]}
    return {
        "address": f"{DEFAULT_PREFIX}/{COMMAND.path}".replace("{verb}", verb.name),
        "description": verb.doc,
        "messages": {
            _verb_key(verb): {
                "contentType": COMMAND.content_types[0],
                "description": f"Or as {', '.join(COMMAND.content_types[1:])}.",
                "payload": payload,
                "examples": [{"payload": {"id": "a1", "args": verb.example}}],
            },
            "signed": {
                "contentType": COMMAND.content_types[0],
                "description": "The same, signed: see the section on signed commands in mqtt.md.",
                "payload": _ref(SignedRequest),
            },
            "reply": {
                "contentType": COMMAND.content_types[0],
                "description": "In the codec of the request.",
                "payload": {
                    "allOf": [_ref(Reply), {"type": "object", "properties": {"data": _ref(verb.reply)}}]
                },
                "examples": [
                    {
                        "payload": {
                            "id": "a1",
                            "ok": True,
                            "code": 200,
                            "data": verb.example_reply,
                            "device": "gate-7",
                            "revision": 8,
                        }
                    }
                ],
            },
        },
        "parameters": _parameters(("device",)),
    }


def _verb_operation(verb: Verb) -> dict[str, Any]:
    key = _verb_key(verb)
    return {
        "action": "receive",
        "summary": verb.doc,
        "channel": {"$ref": f"#/channels/{key}"},
        "messages": [{"$ref": f"#/channels/{key}/messages/{name}"} for name in (key, "signed")],
        "reply": {
            "address": {
                "location": "$message.header#/responseTopic",
                "description": "The MQTT 5 response topic, when it is allowed; else the device's `resp`.",
            },
        },
        "bindings": _mqtt(COMMAND),
    }


def _parameters(places: tuple[str, ...]) -> dict[str, Any]:
    return {place: {"description": f"{_PLACES[place]}; matches `{ID_PATTERN}`"} for place in places}


def _mqtt(topic: Topic) -> dict[str, Any]:
    binding: dict[str, Any] = {"qos": topic.qos, "retain": topic.retain, "bindingVersion": "0.2.0"}
    return {"mqtt": binding}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}


def _verb_key(verb: Verb) -> str:
    return verb.name.replace(".", "_")
