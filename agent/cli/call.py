"""`vedette call`: one command to one device, and its reply."""

import difflib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import typer

from agent.cli.options import BrokerOption, ConfigOption, JsonOption, settings_with, visit, visitor_id
from agent.cli.words import clean, outline
from agent.config.secret import Secrets
from agent.contract.commands import Reply, Request
from agent.contract.decode import COMMAND_LIMITS, JSON_TYPE, PayloadError, unpack
from agent.contract.status import DeviceState, DeviceStatus
from agent.contract.topics import CLIENT_RESPONSE, RESPONSE, STATUS, Topics, is_id
from agent.contract.verbs import VERBS
from agent.delivery.client import Client
from agent.delivery.messages import Inbound, Outgoing
from agent.errors import VedetteError

_LISTEN_S = 1.0  # for the retained status of devices, when nobody took the command


def _verbs(incomplete: str) -> Iterator[tuple[str, str]]:
    for name, verb in VERBS.items():
        if name.startswith(incomplete):
            yield name, verb.doc


def _keys(context: typer.Context, incomplete: str) -> Iterator[str]:
    verb = VERBS.get(context.params.get("verb") or "")
    if verb is not None and "=" not in incomplete:
        yield from (f"{key}=" for key in verb.args.model_fields if key.startswith(incomplete))


def call(
    device: Annotated[str, typer.Argument(help="Device to ask.", show_default=False)],
    verb: Annotated[
        str,
        typer.Argument(
            help="What to do, e.g. ping, stream.add, snapshot.take.",
            autocompletion=_verbs,
            show_default=False,
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="Arguments; a value is JSON, else text. Dots go deeper: params.min_area=0.01",
            autocompletion=_keys,
            show_default=False,
        ),
    ] = None,
    args: Annotated[
        str | None,
        typer.Option("--args", metavar="JSON", help="All arguments as a JSON map; KEY=VALUE adds."),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for the reply.")
    ] = 10.0,
    as_json: JsonOption = False,  # noqa: FBT002  typer's way
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Send one command to a device and show its reply.

    Ends with 0 when the device has done it, and with 1 when it refused or did not answer in time.
    """
    if not is_id(device):
        raise typer.BadParameter("an id is 1 to 64 letters, digits, `_`, `.` or `-`", param_hint="DEVICE")
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(VERBS)}"
        raise typer.BadParameter(f"no verb {clean(verb)!r}; {hint}", param_hint="VERB")
    tree = parse_arguments(verb, args, arguments or [])
    settings = settings_with(config, broker)
    name = visitor_id()
    with visit(settings, Secrets(settings.paths.secrets), name) as client:
        reply = Call(client, settings.broker.topic_prefix, device, name).ask(verb, tree, timeout_s)
    if as_json:
        typer.echo(json.dumps(reply.tree(), ensure_ascii=False))
    if not reply.ok:
        raise VedetteError(
            f"{device} refuses {verb} ({reply.code}): {clean_lines(reply.error or 'no reason given')}"
        )
    if not as_json:
        typer.echo("\n".join(outline(reply.data)) if reply.data else "done")


def parse_arguments(verb: str, document: str | None, pairs: list[str]) -> dict[str, Any]:
    """The arguments of a command, from a JSON map and `key=value`; BadParameter for what is neither."""
    tree: dict[str, Any] = {}
    if document is not None:
        try:
            tree = json.loads(document)
        except ValueError as err:
            raise typer.BadParameter(f"not JSON: {err}", param_hint="--args") from err
        if not isinstance(tree, dict):
            raise typer.BadParameter("must be a JSON map", param_hint="--args")
    texts = _text_keys(verb)
    for pair in pairs:
        path, equals, value = pair.partition("=")
        if not equals or not all(path.split(".")):
            raise typer.BadParameter(f"{clean(pair)!r} is not KEY=VALUE", param_hint="KEY=VALUE")
        *outer, key = path.split(".")
        place = tree
        for step in outer:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise typer.BadParameter(f"{clean(path)}: {step} is no map", param_hint="KEY=VALUE")
        place[key] = value if path in texts else _value(value)
    return tree


def clean_lines(text: str) -> str:
    """`text` without control characters but line ends."""
    return "\n  ".join(map(clean, text.splitlines()))


def _text_keys(verb: str) -> set[str]:
    """The arguments that are texts whatever they look like: a stream may be called 7."""
    properties = VERBS[verb].args.model_json_schema().get("properties", {})
    return {key for key, schema in properties.items() if schema.get("type") == "string"}


def _value(text: str) -> Any:  # noqa: ANN401  any JSON
    try:
        return json.loads(text)
    except ValueError:
        return text


class Call:
    """One question to one device, on a connection of its own.

    `aside` gets what comes on the topics of the filters `also` before the reply does.
    """

    def __init__(
        self,
        client: Client,
        prefix: str,
        device: str,
        name: str,
        *,
        also: Sequence[str] = (),
        aside: Callable[[Inbound], None] | None = None,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._topics = Topics(prefix, device)
        self._device = device
        self._name = name
        self._also = also
        self._aside = aside
        self._statuses: dict[str, DeviceStatus] = {}

    def ask(self, verb: str, args: dict[str, Any], timeout_s: float) -> Reply:
        """The reply. Raises VedetteError when there is none in time, with what is known of the device."""
        modern = self._client.protocol == "5"
        inbox = self._topics.client_response(self._name)
        # Without MQTT 5 nobody can say where the reply should go: it comes on the device's own topic.
        self._client.subscribe(
            [inbox if modern else self._topics.response, STATUS.filter(self._prefix), *self._also]
        )
        request = Request(id=self._name, args=args)
        message = Outgoing(
            topic=self._topics.command(verb),
            payload=request.model_dump_json(exclude_defaults=True).encode(),
            kind="event",
            content_type=JSON_TYPE,
            correlation_data=self._name.encode() if modern else None,
            response_topic=inbox if modern else None,
            expiry_s=max(1, round(timeout_s)),  # nobody waits for it any longer
        )
        deadline_s = time.monotonic() + timeout_s
        if not self._client.publish(message):
            deadline_s = min(deadline_s, time.monotonic() + _LISTEN_S)
        for inbound in self._client.messages(max(0.0, deadline_s - time.monotonic())):
            reply = self._reply_in(inbound)
            if reply is not None:
                return reply
            if self._aside is not None:
                self._aside(inbound)
        raise VedetteError(self._why_silent(timeout_s))

    def _reply_in(self, message: Inbound) -> Reply | None:
        if ids := STATUS.match(self._prefix, message.topic):
            if message.payload:
                self._statuses[ids["device"]] = DeviceStatus.model_validate_json(message.payload)
            return None
        if not (
            CLIENT_RESPONSE.match(self._prefix, message.topic) or RESPONSE.match(self._prefix, message.topic)
        ):
            return None
        try:
            reply = Reply.model_validate(unpack(message.payload, COMMAND_LIMITS.with_payload(4 << 20)))
        except (PayloadError, ValueError):
            return None  # another's, or nonsense: ours may still come
        return reply if reply.id == self._name else None

    def _why_silent(self, timeout_s: float) -> str:
        status = self._statuses.get(self._device)
        if status is None:
            near = difflib.get_close_matches(self._device, self._statuses, n=1)
            others = ", ".join(sorted(self._statuses)[:10]) or "none"
            hint = f"did you mean {near[0]}?" if near else f"known are: {others}"
            return f"no device {self._device} at this broker; {hint}"
        if status.state is not DeviceState.ONLINE:
            return f"{self._device} is {status.state.value}, the command was not carried out: start its agent"
        return f"no reply from {self._device} in {timeout_s:g} s, though it is online: try a longer --timeout"
