"""Keys of a publisher: Ed25519, as PEM files that only their owner reads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.errors import RefusedError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from securesystemslib.signer import CryptoSigner


@dataclass(frozen=True, slots=True)
class Made:
    """A new key: where it lies, and the id by which metadata names it."""

    path: Path
    keyid: str


def new_key(path: Path, passphrase: bytes = b"") -> Made:
    """Write a new private key (PKCS #8 PEM, mode 0600), encrypted when there is a passphrase.

    Raises RefusedError when the file is there: a key is never overwritten.
    """
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    key = Ed25519PrivateKey.generate()
    locked = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise RefusedError("there is a file of this name", where=str(path)) from error
    except OSError as error:
        raise SourceError(error.strerror or "cannot be written", where=str(path)) from error
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return Made(path, load_key(path, passphrase).public_key.keyid)


def load_key(path: Path, passphrase: bytes = b"") -> CryptoSigner:
    """Return the signer of a private key's file. Raises SourceError when it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - slow to import
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_pem_private_key,
    )
    from securesystemslib.signer import CryptoSigner  # noqa: PLC0415

    try:
        key = load_pem_private_key(path.read_bytes(), passphrase or None)
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path)) from error
    except (ValueError, TypeError) as error:
        raise SourceError(
            "no private key that this passphrase opens",
            where=str(path),
            hint="make one: sakimori rules key FILE; or give --passphrase-file",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SourceError("not an Ed25519 key", where=str(path))
    return CryptoSigner(key)
