"""Whether 32 bytes can be a public key of Ed25519: the curve's arithmetic of RFC 8032, and no more.

Nothing is signed or verified here. A signature library takes any 32 bytes as a key: a mistyped one would
never fit a signature, and one of the few points of small order, such as 32 zeros, fits signatures that
anybody can make.
"""

KEY_BYTES = 32

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_COFACTOR_DOUBLINGS = 3  # eight times a point of small order is the neutral point

_Point = tuple[int, int]


def public_key_problem(key: bytes) -> str | None:
    """Why `key` cannot be a public key; None when it can."""
    if len(key) != KEY_BYTES:
        return f"has {len(key)} bytes; a public key of Ed25519 has {KEY_BYTES}"
    point = _decoded(key)
    if point is None:
        return "is no public key of Ed25519: look for a mistyped character"
    for _ in range(_COFACTOR_DOUBLINGS):
        point = _doubled(point)
    if point == (0, 1):
        return "is a placeholder: anybody could sign for it"
    return None


def _decoded(key: bytes) -> _Point | None:
    """RFC 8032, 5.1.3."""
    number = int.from_bytes(key, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if x * x % _P != square:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if x * x % _P != square or (x == 0 and sign):
        return None
    return (x if x & 1 == sign else _P - x), y


def _doubled(point: _Point) -> _Point:
    """RFC 8032, 5.1.4, in affine coordinates: the denominators are never zero on this curve."""
    x, y = point
    product = _D * x * x * y * y % _P
    return (
        2 * x * y * pow(1 + product, -1, _P) % _P,
        (y * y + x * x) * pow(1 - product, -1, _P) % _P,
    )
