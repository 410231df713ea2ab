"""A thousand devices that are none: valid documents of the contract, thousands a second, few connections.

    python -m tests.fleet --url mqtt://127.0.0.1:1883 --devices 1000 --rate 5000

Each device has four streams and three algorithms on all of them. First come its retained documents; then a
mix as devices give it: of a hundred messages 88 results, 8 stream statuses, 2 digests of metrics, 2 reports.
`seq` of the results is gapless for each device. All goes out with QoS 0 (devices use 1), as packets that are
made once and have only their numbers, times and names exchanged: a client library would spend more on them
than brokers do.
"""

from tests.fleet.fleet import Fleet, fleet_running

__all__ = ["Fleet", "fleet_running"]
