"""`vedette call`: one command to a device, a group or all, and the replies."""

import difflib
import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from agent.cli.keys import ExpiresOption, KeyOption, SignOption, signer_of
from agent.cli.options import BrokerOption, ConfigOption, JsonOption, settings_with, visit
from agent.cli.words import clean, outline
from agent.client.asking import Asking, Whom
from agent.client.synchronous import visitor_id
from agent.config.secret import Secrets
from agent.contract.commands import Reply
from agent.contract.verbs import VERBS
from agent.errors import VedetteError


def _verbs(incomplete: str) -> Iterator[tuple[str, str]]:
    for name, verb in VERBS.items():
        if name.startswith(incomplete):
            yield name, verb.doc


def _keys(context: typer.Context, incomplete: str) -> Iterator[str]:
    verb = VERBS.get(context.params.get("verb") or "")
    if verb is not None and "=" not in incomplete:
        yield from (f"{key}=" for key in verb.args.model_fields if key.startswith(incomplete))


def call(  # noqa: PLR0913  the command's options
    device: Annotated[
        str,
        typer.Argument(
            help="Device to ask; g/NAME: all devices of a group; all: every device.", show_default=False
        ),
    ],
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
    *,
    args: Annotated[
        str | None,
        typer.Option("--args", metavar="JSON", help="All arguments as a JSON map; KEY=VALUE adds."),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for the reply.")
    ] = 10.0,
    sign: SignOption = None,
    key: KeyOption = None,
    expires_s: ExpiresOption = 60.0,
    as_json: JsonOption = False,
    broker: BrokerOption = None,
    config: ConfigOption = None,
) -> None:
    """Send one command to a device and show its reply; to several, and show the replies that come in time.

    Ends with 0 when the device has done it, and with 1 when it refused or did not answer in time.
    """
    whom = Whom.named(device)
    if whom is None:
        raise typer.BadParameter("an id is 1 to 64 letters, digits, `_`, `.` or `-`", param_hint="DEVICE")
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(VERBS)}"
        raise typer.BadParameter(f"no verb {clean(verb)!r}; {hint}", param_hint="VERB")
    tree = parse_arguments(verb, args, arguments or [])
    signer = signer_of(sign, key, expires_s)
    settings = settings_with(config, broker)
    name = visitor_id()
    with visit(settings, Secrets(settings.paths.secrets), name) as client:
        asking = Asking(client, settings.broker.topic_prefix, whom, name, signer=signer)
        if whom.device is None:
            _show_all(asking.many(verb, tree, timeout_s), verb, as_json=as_json)
            return
        reply = asking.one(verb, tree, timeout_s)
    if as_json:
        typer.echo(json.dumps(reply.tree(), ensure_ascii=False))
    if not reply.ok:
        raise VedetteError(f"{device} refuses {verb} {_why(reply)}")
    if not as_json:
        typer.echo("\n".join(outline(reply.data)) if reply.data else "done")


def _show_all(replies: Iterable[Reply], verb: str, *, as_json: bool) -> None:
    """Each reply as it comes. Raises VedetteError when there is none, or one refuses."""
    count = refused = 0
    for reply in replies:
        count += 1
        refused += not reply.ok
        if as_json:
            typer.echo(json.dumps(reply.tree(), ensure_ascii=False))
        elif not reply.ok:
            typer.echo(f"{clean(reply.device)}  refuses {_why(reply)}")
        elif reply.data:
            typer.echo("\n".join((clean(reply.device), *outline(reply.data, "  "))))
        else:
            typer.echo(f"{clean(reply.device)}  done")
    if count == 0:
        raise VedetteError("no device has replied in time: try a longer --timeout")
    if refused:
        raise VedetteError(f"{refused} of {count} devices refuse {verb}")


def _why(reply: Reply) -> str:
    return f"({reply.code}): {clean_lines(reply.error or 'no reason given')}"


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
