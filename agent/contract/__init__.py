"""The wire contract: every MQTT topic and payload, as one table and one model each.

Nothing here does I/O. `docs/mqtt.md` and `docs/asyncapi.yaml` are generated from this package
(`python -m agent.contract.reference`).
"""
