"""Vedette, an edge agent for video: cameras in, algorithm results out over MQTT."""
