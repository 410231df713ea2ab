"""Window in, result out: the process around a foreign algorithm.

Invariant: only this package imports `algos`, and only inside a child; a worker never speaks MQTT.
"""
