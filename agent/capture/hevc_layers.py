"""How many temporal layers HEVC video has, as its parameter sets say (ITU-T H.265, ISO/IEC 14496-15)."""

_HVCC_LAYERS = 21  # byte of an hvcC record with numTemporalLayers in its bits 3 to 5
_VPS = 32  # NAL unit type of a video parameter set
_START = b"\x00\x00\x01"


def one_layer(extradata: bytes) -> bool:
    """Whether there is one layer for certain; `extradata` is an hvcC record or NAL units with start codes."""
    if extradata[:1] == b"\x01":
        return len(extradata) > _HVCC_LAYERS and (extradata[_HVCC_LAYERS] >> 3) & 7 == 1
    for unit in extradata.split(_START)[1:]:
        # A header of two bytes; then 4 bits id, 2 flags, 6 bits layers, 3 bits highest temporal layer.
        if len(unit) > 3 and (unit[0] >> 1) & 0x3F == _VPS:  # noqa: PLR2004
            return (unit[3] >> 1) & 7 == 0
    return False
