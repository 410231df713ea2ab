"""The sink `webhook`: batches of results by HTTP POST. The only module that knows urllib3."""

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

import msgpack
import urllib3
from pydantic import AfterValidator, Field, StringConstraints, field_validator
from urllib3.util import Timeout

from agent import log
from agent.errors import SinkBusyError, SinkRefusedError
from agent.health import about
from agent.sink.base import Item, Sink

_OK = range(200, 300)
_NOT_NOW = frozenset({408, 409, 421, 423, 425, 429})
_NOT_YOURS = frozenset({401, 403, 404, 405, 407, 410})
_ANSWER_BYTES = 65_536  # a longer one is not waited for
_SHOWN_CHARS = 200  # of it
_TYPES = {"json": "application/json", "msgpack": "application/vnd.msgpack"}

_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]


def _header_value(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("has other characters than printable ASCII in it")
    return text


def signature(secret: str, time_s: int, body: bytes) -> str:
    """The value of the header `Vedette-Signature`: HMAC-SHA256 over the time, a dot and the body."""
    digest = hmac.new(secret.encode(), b"%d." % time_s + body, hashlib.sha256).hexdigest()
    return f"t={time_s},v1={digest}"


class WebhookSink(Sink):
    """POSTs batches of results to a URL, signed if asked, and follows no redirects."""

    class Params(Sink.Params):
        """Where to, and how."""

        url: str = Field(max_length=2_048, description="`https://` or `http://`")
        codec: Literal["json", "msgpack"] = Field(default="json", description="of the body")
        headers: dict[_HeaderName, Annotated[str, AfterValidator(_header_value)]] = Field(
            default={}, description="further ones, such as `Authorization`"
        )
        secret: str | None = Field(
            default=None,
            min_length=1,
            repr=False,
            description="signs each request in the header `Vedette-Signature`; default: no signature",
        )
        connect_timeout_s: float = Field(default=5.0, gt=0, le=300, description="for the connection and TLS")
        read_timeout_s: float = Field(default=20.0, gt=0, le=300, description="for the answer")
        ca_file: Path | None = Field(
            default=None, description="certificates to trust (PEM); default: the system's"
        )
        cert_file: Path | None = Field(
            default=None, description="client certificate (PEM), its key in the same file"
        )

        @field_validator("url")
        @classmethod
        def _is_url(cls, url: str) -> str:
            try:
                parts = urlsplit(url)
                port = parts.port
            except ValueError as err:
                raise ValueError("is no URL") from err
            if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
                raise ValueError("must be https:// or http:// and a host")
            if not url.isprintable() or " " in url:
                raise ValueError("has spaces or control characters in it")
            return url

    params: Params

    def open(self) -> None:
        """Read the certificates; connects with the first batch only."""
        params, parts = self.params, urlsplit(self.params.url)
        self._at = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        context = None
        if parts.scheme == "https":
            try:
                context = ssl.create_default_context(cafile=params.ca_file)
                if params.cert_file is not None:
                    context.load_cert_chain(params.cert_file)
            except OSError as err:  # SSLError is one
                files = ", ".join(
                    str(path) for path in (params.ca_file, params.cert_file) if path is not None
                )
                raise SinkBusyError(f"one of {files} cannot be used: {err.strerror or err}") from err
        timeout = Timeout(connect=params.connect_timeout_s, read=params.read_timeout_s)
        host = parts.hostname or ""
        self._pool = (
            urllib3.HTTPConnectionPool(host, parts.port, timeout=timeout, retries=False)
            if context is None
            else urllib3.HTTPSConnectionPool(
                host, parts.port, timeout=timeout, retries=False, ssl_context=context
            )
        )
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._basic = ""
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._basic = f"Basic {base64.b64encode(user.encode()).decode()}"
        self._agent = f"vedette/{about.version()}"

    def send(self, items: Sequence[Item]) -> None:
        """One POST. 2xx: delivered. 400, 413, 415, 422 and the like: refused. All else: later."""
        body = self._body(items)
        try:
            response = self._pool.urlopen(
                "POST",
                self._target,
                body=body,
                headers=self._headers(items, body),
                redirect=False,
                preload_content=False,
            )
            try:
                said = response.read(_ANSWER_BYTES, decode_content=False)
            finally:
                if response.closed:  # it was read whole: the connection serves again
                    response.release_conn()
                else:
                    response.close()
        except urllib3.exceptions.HTTPError as err:
            raise SinkBusyError(self._trouble(err)) from err
        if response.status not in _OK:
            raise self._refusal(response, said)

    def close(self) -> None:
        """Close the connection."""
        self._pool.close()

    def _body(self, items: Sequence[Item]) -> bytes:
        """`{"results": [...]}`; what comes late has `"replay": true` in it."""
        if self.params.codec == "msgpack":
            packed: bytes = msgpack.packb({"results": [self._marked(item) for item in items]})
            return packed
        results = b",".join(
            item.json[:-1] + b',"replay":true}' if item.replay else item.json for item in items
        )
        return b'{"results":[' + results + b"]}"

    def _marked(self, item: Item) -> dict[str, object]:
        return item.result | {"replay": True} if item.replay else item.result

    def _headers(self, items: Sequence[Item], body: bytes) -> dict[str, str]:
        first, last = items[0], items[-1]
        headers = {
            "User-Agent": self._agent,
            **({"Authorization": self._basic} if self._basic else {}),
            **self.params.headers,
            "Content-Type": _TYPES[self.params.codec],
            "Vedette-Device": self.device,
            "Idempotency-Key": f"{self.device}/{first.epoch}.{first.seq}-{last.epoch}.{last.seq}",
        }
        if self.params.secret is not None:
            headers["Vedette-Signature"] = signature(self.params.secret, int(time.time()), body)
        return headers

    def _refusal(self, response: urllib3.BaseHTTPResponse, said: bytes) -> SinkRefusedError | SinkBusyError:
        """What an answer that is not 2xx means.

        A server that does not know us or the path, refuses every batch: that is no fault of a result.
        """
        letters = log.without_secrets(said.decode("utf-8", "replace"))  # before it is cut
        text = "".join(c for c in letters if c.isprintable())[:_SHOWN_CHARS]
        status = f"{self._at} answers {response.status}" + (f": {text}" if text else "")
        if response.status in range(300, 400):
            return SinkBusyError(f"{status} (redirects are not followed: give the final URL)")
        if response.status in range(400, 500) and response.status not in _NOT_NOW | _NOT_YOURS:
            return SinkRefusedError(status)
        return SinkBusyError(status, _retry_after_s(response.headers.get("Retry-After")))

    def _trouble(self, err: urllib3.exceptions.HTTPError) -> str:  # noqa: PLR0911  a table
        """Why there was no answer; of urllib3's own text only what cannot hold a secret."""
        reason = err.reason if isinstance(err, urllib3.exceptions.MaxRetryError) else err
        match reason:
            case urllib3.exceptions.ReadTimeoutError():
                return f"no answer from {self._at} within {self.params.read_timeout_s:g} s"
            # Each before those that it is a kind of.
            case urllib3.exceptions.NameResolutionError():
                return f"the name in {self._at} cannot be resolved"
            case urllib3.exceptions.SSLError():
                cause = reason.args[0] if reason.args else None
                if isinstance(cause, ssl.SSLCertVerificationError):
                    return f"the certificate of {self._at} is not trusted: {cause.verify_message}"
                return f"no TLS with {self._at}"
            case urllib3.exceptions.NewConnectionError():
                cause = reason.__cause__
                why = cause.strerror if isinstance(cause, OSError) and cause.strerror else "no connection"
                return f"{self._at} cannot be reached: {why}"
            case urllib3.exceptions.ConnectTimeoutError():
                return f"no connection to {self._at} within {self.params.connect_timeout_s:g} s"
            case urllib3.exceptions.ProtocolError():
                return f"{self._at} ended the connection without an answer"
        return f"{self._at} does not speak HTTP as asked: {type(reason).__name__}"


def _retry_after_s(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which may also be a date; None when there is none that makes sense."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
