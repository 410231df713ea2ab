"""Ed25519: the only module that knows the library. Keys are files, PEM (PKCS #8), without a password.

The library is loaded when the first signature is made or looked at: an agent that nobody signs for does
without its 6 MB.
"""

import base64
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.errors import VedetteError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAX_FILE_BYTES = 65_536


class SigningKeyError(VedetteError):
    """A file is no private key, or cannot be read or written: whoever signs acts."""

    code = "signing-key"


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of a public key signed a message; false too for what is no key or signature."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class SigningKey:
    """A private key; it shows itself to nobody."""

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key

    @classmethod
    def new(cls) -> Self:
        """A key that nobody else has."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def of_seed(cls, seed: bytes) -> Self:
        """The key of 32 secret bytes, as RFC 8032 has them; for test vectors."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in a file. Raises SigningKeyError, which shows nothing of what is in it."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES)
            key = load_pem_private_key(content, password=None)
        except OSError as err:
            raise SigningKeyError(f"{path} cannot be read: {err.strerror}") from err
        except TypeError:
            raise SigningKeyError(f"{path} needs a password, which is not supported") from None
        except (ValueError, UnsupportedAlgorithm):
            raise SigningKeyError(f"{path} is no private key in PEM; `vedette keys new` makes one") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningKeyError(f"{path} is no key of Ed25519; `vedette keys new` makes one")
        return cls(key)

    def write(self, path: Path) -> None:
        """Write it for its owner's eyes only; never over another file. Raises SigningKeyError."""
        from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        content = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            # Not umask's business: the mode is there before the first byte is.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as err:
            raise SigningKeyError(f"{path} is there already: name another file with --out") from err
        except OSError as err:
            raise SigningKeyError(f"{path} cannot be written: {err.strerror}") from err
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        except OSError as err:
            with suppress(OSError):
                path.unlink()  # half a key is none
            raise SigningKeyError(f"{path} cannot be written: {err.strerror}") from err

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, 64 bytes."""
        return self._key.sign(message)

    @property
    def public(self) -> str:
        """The public key in base64, as agent.toml has it."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()
