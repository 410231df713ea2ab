"""What an RTSP server says before the media plays, read as FFmpeg reads it.

FFmpeg follows a redirect to any host, and with UDP sends packets to any address that the server names as
the media's source. Here a redirect is an error, and the source is the server itself. What FFmpeg and this
could read in two ways is an error, too.
"""

import re

_STATUS = re.compile(rb"RTSP/[0-9]\.[0-9] ([0-9]{3})(?: .*)?")
_REQUEST = re.compile(rb"[A-Z_]{1,32} \S{1,1024} RTSP/[0-9]\.[0-9]")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f]")
_LENGTH = re.compile(rb"(?i)content-length:[ \t]*([0-9]{1,7})[ \t]*")
_SOURCE = re.compile(rb"(?i);\s*source\s*=[^;,]*")
_PLAY = re.compile(rb"(?:\A|\r\n\r\n)PLAY ")
_MAX_LINE_BYTES = 2048  # FFmpeg cuts at 4096
_DOLLAR = ord("$")
_PACKET_HEAD_BYTES = 4
_MULTIPLE_CHOICES, _BAD_REQUEST = 300, 400


class BadAnswerError(Exception):
    """The server says what is not to be passed on; the text says what, as a clause."""


class RtspAnswers:
    """A filter for one connection to the server at `address`; from the first PLAY on it looks at nothing."""

    def __init__(self, address: str) -> None:
        self._source = f";source={address}".encode()
        self._plays = False
        self._rest = b""  # a line that is not complete
        self._in_head = False  # its first line was read
        self._body: int | None = None  # bytes that follow the head
        self._skip = 0  # bytes of a body or a packet still to come

    def sent(self, data: bytes) -> bytes:
        """What FFmpeg sends goes out unchanged."""
        # FFmpeg follows redirects while it opens; PLAY is the first that it sends after that.
        if not self._plays and _PLAY.search(data):
            self._plays = True
        return data

    def received(self, data: bytes) -> bytes:
        """What FFmpeg may see of it now. Raises BadAnswerError."""
        data = self._rest + data
        if self._plays:
            self._rest = b""
            return data
        out: list[bytes] = []
        at = 0
        while at < len(data):
            if not self._skip and data[at] == _DOLLAR:  # a packet may come between any two lines
                if len(data) - at < _PACKET_HEAD_BYTES:
                    break
                self._skip = _PACKET_HEAD_BYTES + int.from_bytes(data[at + 2 : at + 4], "big")
            if self._skip:
                piece = data[at : at + self._skip]
                self._skip -= len(piece)
                at += len(piece)
                out.append(piece)
                continue
            end = data.find(b"\n", at, at + _MAX_LINE_BYTES)
            if end < 0:
                if len(data) - at >= _MAX_LINE_BYTES:
                    raise BadAnswerError("the server's answer is no RTSP: a line of it is too long")
                break
            out.append(self._line(data[at:end].replace(b"\r", b"")) + b"\r\n")
            at = end + 1
        self._rest = data[at:]
        return b"".join(out)

    def _line(self, line: bytes) -> bytes:
        """A line of a head as FFmpeg may see it."""
        if _CONTROL.search(line):
            raise BadAnswerError("the server's answer is no RTSP: it has control characters in it")
        name = line.partition(b":")[0].lower()
        if not line:
            self._skip, self._body, self._in_head = self._body or 0, None, False
        elif not self._in_head:
            self._in_head = True
            _check_first(line)
        elif name == b"content-length":
            length = _LENGTH.fullmatch(line)
            if length is None or self._body is not None:
                raise BadAnswerError("the server's answer is no RTSP: its length is none")
            self._body = int(length[1])
        elif name == b"transport":
            return _SOURCE.sub(b"", line) + self._source
        return line


def _check_first(line: bytes) -> None:
    status = _STATUS.fullmatch(line)
    if status is None:
        if _REQUEST.fullmatch(line) is None:
            raise BadAnswerError("the server's answer is no RTSP")
    elif _MULTIPLE_CHOICES <= int(status[1]) < _BAD_REQUEST:
        raise BadAnswerError("the server redirects elsewhere, which is not followed for what a command named")
