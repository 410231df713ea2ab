"""The part of the reference for people that is about Home Assistant."""

from agent.config.markdown import sentence, table
from agent.contract.homeassistant import (
    HOME_ASSISTANT_TOPICS,
    BinarySensor,
    Button,
    Discovery,
    DiscoveryDevice,
    Image,
    Removed,
    Sensor,
)
from agent.contract.tables import fields_table


def homeassistant() -> str:
    """Its topics, and the documents on them; the keys of entities are Home Assistant's to describe."""
    rows = [
        (
            f"`{topic.path}`",
            topic.direction,
            str(topic.qos),
            "yes" if topic.retain else "no",
            topic.description,
        )
        for topic in HOME_ASSISTANT_TOPICS
    ]
    topics = table(("topic", "dir", "QoS", "retained", "what"), rows)
    models = (BinarySensor, Sensor, Image, Button, Removed)
    kinds = table(("entity", "what"), [(f"`{model.__name__}`", sentence(model)) for model in models])
    return f"""
## Home Assistant

With `[homeassistant]` in agent.toml turned on, and only then ([homeassistant.md](homeassistant.md)). The
contract of these topics is Home Assistant's: MQTT device discovery. All are below
`homeassistant.discovery_prefix`. An id with a dot in it, which Home Assistant does not take there, stands
with `-` for each dot, and `-` and eight digits of its digest (SHA-256) at the end.

{topics}

{fields_table(Discovery)}

`device`: {sentence(DiscoveryDevice)}

{fields_table(DiscoveryDevice)}

`components`:

{kinds}
"""
