"""A server that takes results from the sink `webhook`, and checks that they are a device's own.

    python examples/rest_sink/server.py 8099 the-shared-secret

It prints a line a result. What it answers decides what the device does: after 2xx the batch is deleted there,
else it comes again.
"""

import hashlib
import hmac
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_OLD_S = 300


class Receiver(BaseHTTPRequestHandler):
    """Answers POST."""

    protocol_version = "HTTP/1.1"
    secret: ClassVar[str] = ""
    seen: ClassVar[set[tuple[str, int, int]]] = set()

    def do_POST(self) -> None:
        """One batch."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._is_genuine(body):
            self._answer(401)
            return
        for result in json.loads(body)["results"]:
            name = (result["device"], result["epoch"], result["seq"])
            if name not in self.seen:  # after a crash a result may come twice
                self.seen.add(name)
                said = json.dumps(result["data"])
                sys.stdout.write(f"{result['seq']} {result['stream']}/{result['algorithm']} {said}\n")
        sys.stdout.flush()
        self._answer(204)

    def _is_genuine(self, body: bytes) -> bool:
        found = _SIGNATURE.fullmatch(self.headers.get("Vedette-Signature", ""))
        if found is None or abs(time.time() - int(found[1])) > _OLD_S:
            return False
        signed = found[1].encode() + b"." + body
        return hmac.compare_digest(
            found[2], hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
        )

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Results are what is printed here."""


def main(port: int, secret: str) -> None:
    """Until it is interrupted."""
    Receiver.secret = secret
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        sys.stderr.write(f"listening on http://127.0.0.1:{server.server_port}\n")
        sys.stderr.flush()
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
