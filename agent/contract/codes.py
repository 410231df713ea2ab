"""What the codes of replies mean: as in HTTP, where there is a like."""

CODES: dict[int, str] = {
    200: "done",
    400: "the payload cannot be read, or is no request",
    401: "not signed, or not as it has to be: unknown key, altered, for another topic, expired, replayed",
    403: "not allowed: to the key that signed it, or a source that the device's allow-list refuses",
    404: "no such verb, stream, algorithm or kind",
    409: "in conflict with what is: the id exists, the stream has no picture, the revision is another",
    410: "expired before it arrived",
    413: "the payload is too large",
    422: "the arguments are wrong; `error` lists every problem",
    429: "too many commands a second or viewers, a diagnosis while another is gathered, slow name look-ups",
    500: "the agent failed; `error` says at what",
}
"""Every code of a reply."""
