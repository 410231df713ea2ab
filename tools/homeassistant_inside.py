"""The real Home Assistant, with nothing but its MQTT integration: `tools/homeassistant-check` runs this.

Reads questions from stdin, a JSON object a line, and answers each with one line of JSON on stdout:
`{"do": "entities"}`, `{"do": "press", "entity": …}`, `{"do": "image", "entity": …}`, `{"do": "complaints"}`,
`{"do": "judge", "payload": …}`: whether its schemas take a discovery document.
"""

import asyncio
import base64
import json
import logging
import sys
from pathlib import Path
from typing import Any

from homeassistant import auth, config_entries, loader
from homeassistant.components import mqtt
from homeassistant.components.mqtt import (
    binary_sensor,
    button,
    discovery,
    image,
    sensor,
)
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import (
    area_registry,
    category_registry,
    device_registry,
    entity,
    entity_registry,
    floor_registry,
    frame,
    issue_registry,
    label_registry,
    restore_state,
    translation,
)
from homeassistant.helpers import template as templates
from homeassistant.setup import async_setup_component

SCHEMAS = {
    "binary_sensor": binary_sensor.DISCOVERY_SCHEMA,
    "sensor": sensor.DISCOVERY_SCHEMA,
    "image": image.DISCOVERY_SCHEMA,
    "button": button.DISCOVERY_SCHEMA,
}


class Complaints(logging.Handler):
    """What it logs as a warning, or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(f"{record.name}: {record.getMessage()}")


async def main(port: int, http_port: int, folder: Path) -> None:
    """Until stdin ends."""
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    hass = await started(folder, http_port)
    entry = ConfigEntry(
        version=mqtt.CONFIG_ENTRY_VERSION,
        minor_version=mqtt.CONFIG_ENTRY_MINOR_VERSION,
        domain="mqtt",
        title="broker",
        data={"broker": "127.0.0.1", "port": port},
        options={"discovery": True, "discovery_prefix": "homeassistant"},
        source=config_entries.SOURCE_USER,
        unique_id=None,
        discovery_keys={},
        subentries_data=None,
    )
    await hass.config_entries.async_add(entry)
    say({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        question = json.loads(line)
        match question["do"]:
            case "entities":
                say(entities(hass))
            case "press":
                data = {"entity_id": question["entity"]}
                await hass.services.async_call("button", "press", data, blocking=True)
                say({})
            case "image":
                found = hass.data["image"].get_entity(question["entity"])
                content = await found.async_image()
                say({"image": None if content is None else base64.b64encode(content).decode()})
            case "complaints":
                say(complaints.lines)
            case "judge":
                say({"problem": judged(question["payload"])})
    await hass.async_stop(force=True)


async def started(folder: Path, http_port: int) -> HomeAssistant:
    """One with empty registries."""
    (folder / "configuration.yaml").touch()
    hass = HomeAssistant(str(folder))
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    frame.async_setup(hass)
    entity.async_setup(hass)
    templates.async_setup(hass)
    translation.async_setup(hass)
    for registry in (
        area_registry,
        category_registry,
        device_registry,
        entity_registry,
        floor_registry,
        issue_registry,
        label_registry,
    ):
        await registry.async_load(hass)
    await restore_state.async_load(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    await hass.config_entries.async_initialize()
    for integration in ("homeassistant", "http"):
        if not await async_setup_component(
            hass, integration, {"http": {"server_host": "127.0.0.1", "server_port": http_port}}
        ):
            raise SystemExit(f"{integration} does not start")
    await hass.async_start()
    return hass


def entities(hass: HomeAssistant) -> dict[str, Any]:
    """Everything that MQTT has brought, by unique id."""
    registry, devices = entity_registry.async_get(hass), device_registry.async_get(hass)
    found = {}
    for entry in registry.entities.values():
        state, device = hass.states.get(entry.entity_id), devices.async_get(entry.device_id or "")
        via = devices.async_get((device.via_device_id if device else None) or "")
        found[entry.unique_id] = {
            "entity": entry.entity_id,
            "device": device and device.name,
            "via": via and via.name,
            "sw_version": device and device.sw_version,
            "state": state and state.state,
            "attributes": json.loads(json.dumps(dict(state.attributes), default=str)) if state else None,
        }
    return found


def judged(payload: dict[str, Any]) -> str | None:
    """What its schemas say against a document, as a discovery message would be treated."""
    document = json.loads(json.dumps(payload))
    try:
        DEVICE_DISCOVERY_SCHEMA(document)
        for component in document["components"].values():
            platform = component.pop("platform")
            if component:
                whole = discovery.MQTTDiscoveryPayload(component)
                whole["device"], whole["origin"] = document["device"], document["origin"]
                discovery._merge_common_device_options(whole, document)  # noqa: SLF001  what it does itself
                SCHEMAS[platform](whole)
    except (discovery.vol.Invalid, ValueError, KeyError) as err:
        return f"{type(err).__name__}: {err}"
    return None


def say(answer: object) -> None:
    """One line."""
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
