"""Who may say what is cleaned: recipes are signed with Ed25519, and keys are trusted by people.

`X.yaml.sig` beside `X.yaml` is JSON: the key's fingerprint (SHA-256 of its public half in DER), and the
signature in base64 over a context string and the recipe's exact bytes. The context keeps a signature
for something else from being taken as one for a recipe.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sakimori.endpoint.recipes.blobs import write_whole
from sakimori.errors import ConfigError, EngineError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

CONTEXT = b"sakimori recipe 1\0"
FORMAT = "sakimori recipe signature 1"
TRUSTED = "trusted"  # folder in STORE/keys
_LARGEST = 16 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a recipe is signed by a trusted key. `key` is the fingerprint, `reason` why it is not."""

    good: bool
    key: str = ""
    reason: str = ""


def fingerprint(public: Ed25519PublicKey) -> str:
    """Return a public key's SHA-256 in hexadecimal, of its DER form."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    der = public.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def new_key(path: Path) -> str:
    """Make a private key (PEM, mode 0600) and PATH.pub beside it; returns the fingerprint.

    Raises ConfigError where something is there, EngineError where it cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    public = path.with_name(path.name + ".pub")
    for there in (path, public):
        if there.exists():
            raise ConfigError("there is a file already", where=str(there), hint="name another one")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    shown = key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, secret)
        write_whole(public, shown)
        public.chmod(0o644)
    except OSError as error:
        raise EngineError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return fingerprint(key.public_key())


def _private(path: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    data = _read(path)
    if os.name != "nt" and path.stat().st_mode & 0o077:
        raise ConfigError(
            "others can read this private key", where=str(path), hint=f"chmod 600 {path}"
        )
    try:
        key = form.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError("not a private key in PEM", where=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("not an Ed25519 key", where=str(path))
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Return a public key from PEM. Raises ConfigError for what is none."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        key = form.load_pem_public_key(_read(path))
    except (ValueError, TypeError) as error:
        raise ConfigError(
            "not a public key in PEM", where=str(path), hint="give the .pub file"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("not an Ed25519 key", where=str(path))
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise SourceError(error.strerror or "cannot be read", where=str(path)) from error


def signature_path(recipe: Path) -> Path:
    """Return where a recipe's signature lies."""
    return recipe.with_name(recipe.name + ".sig")


def sign(recipe: Path, data: bytes, key: Path) -> str:
    """Write the signature of a recipe's bytes beside it; returns the key's fingerprint."""
    private = _private(key)
    ident = fingerprint(private.public_key())
    signature = base64.b64encode(private.sign(CONTEXT + data)).decode()
    text = json.dumps({"format": FORMAT, "key": ident, "signature": signature}, indent=1)
    path = signature_path(recipe)
    try:
        write_whole(path, text.encode() + b"\n")
        path.chmod(0o644)
    except OSError as error:
        raise EngineError(f"cannot be written: {error.strerror}", where=str(path)) from error
    return ident


def trust(public: Path, keys: Path) -> str:
    """Trust a public key: keep it in KEYS/trusted. Returns its fingerprint."""
    ident = fingerprint(public_key(public))
    folder = keys / TRUSTED
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(folder / f"{ident}.pem", _read(public))
    except OSError as error:
        raise EngineError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    return ident


def distrust(ident: str, keys: Path) -> str:
    """Trust a key no more; `ident` may be the beginning of a fingerprint. Returns the whole one."""
    found = [path for path in trusted(keys) if path.stem.startswith(ident) and len(ident) >= 8]
    if len(found) != 1:
        raise ConfigError(
            f"{len(found)} trusted keys begin with {ident!r}", hint="give eight digits or more"
        )
    found[0].unlink()
    return found[0].stem


def trusted(keys: Path) -> list[Path]:
    """Return the files of trusted keys."""
    folder = keys / TRUSTED
    return sorted(folder.glob("*.pem")) if folder.is_dir() else []


def verify(recipe: Path, data: bytes, keys: Path) -> Verdict:
    """Say whether a recipe's bytes are signed by a trusted key. Never raises for a bad signature."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415

    path = signature_path(recipe)
    if not path.exists():
        return Verdict(False, reason="not signed")
    try:
        ident, signature = _signature(path)
    except (ValueError, KeyError, TypeError, binascii.Error, SourceError):
        return Verdict(False, reason="the signature cannot be read")
    file = next((p for p in trusted(keys) if p.stem == ident), None)
    if file is None:
        return Verdict(False, ident, "signed by a key that is not trusted")
    public = public_key(file)
    if fingerprint(public) != ident:
        return Verdict(False, ident, "the trusted key is not the one its name says")
    try:
        public.verify(signature, CONTEXT + data)
    except InvalidSignature:
        return Verdict(False, ident, "the signature does not fit: the recipe was changed")
    return Verdict(True, ident)


def _signature(path: Path) -> tuple[str, bytes]:
    """Return key and signature. Raises ValueError and its like for what is none."""
    plain = json.loads(_read(path))
    if plain["format"] != FORMAT or not isinstance(plain["key"], str):
        raise ValueError("of an unknown format")
    return plain["key"], base64.b64decode(plain["signature"], validate=True)
