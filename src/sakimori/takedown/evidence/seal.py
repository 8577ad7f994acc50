"""Seals: a signature (Ed25519) over a chain's head, as a record and as two plain files.

A seal signs a short text, the statement, which names how many records there are and the hash of
the last one. Each record names the hash of the one before, so one signature covers them all; a
Merkle tree would allow proof of single records, which redaction already gives. The signature is
checked with openssl alone:

    openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in 000012.txt -sigfile 000012.sig

A key is made once and stays in its folder as PEM (PKCS #8, readable by its owner only). It is known
by its fingerprint: the SHA-256 of the public key in DER. When a key is replaced, the old one signs
the new one's fingerprint, so who trusts the old one can go on to the new one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sakimori.errors import ConfigError, SourceError, StateError
from sakimori.takedown.evidence.record import Entry, sha256, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sakimori.takedown.evidence.chain import Chain
    from sakimori.takedown.evidence.record import Record

PRIVATE, PUBLIC, NEXT = "evidence.pem", "evidence.pub.pem", "evidence.next.pem"
SEALS = "seals"
_SEAL, _KEY = "sakimori evidence seal 1", "sakimori evidence key 1"


@dataclass(frozen=True, slots=True)
class Public:
    """A public key: PEM text and fingerprint."""

    pem: str
    fingerprint: str

    def signed(self, text: bytes, signature: bytes) -> bool:
        """Whether this key made `signature` over `text`."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - slow to import

        try:
            _loaded(self.pem.encode()).verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Key:
    """A private key with its public half. `repr` shows no secret."""

    private: Ed25519PrivateKey
    public: Public

    def sign(self, text: bytes) -> bytes:
        """Return the 64 bytes of the signature; the same text gives the same bytes."""
        return self.private.sign(text)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a seal or a handing over of keys says; `signer` and `text` are what was signed."""

    kind: str
    text: bytes
    signature: bytes
    signer: Public
    records: int = 0
    head: str = ""
    time: str = ""
    new: Public | None = None


# Keys


def make_key(folder: Path, name: str = PRIVATE) -> Key:
    """Make a key in the folder, and beside it its public half.

    Raises StateError when a key is there or the folder cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    made = Key(key, _public_of(key))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(folder / name, pem, 0o600)
        if name == PRIVATE:
            replace_file(folder / PUBLIC, made.public.pem.encode())
    except FileExistsError as error:
        raise StateError(
            "there is a key already", where=str(folder / name), hint="it is used as it is"
        ) from error
    except OSError as error:
        raise StateError(
            f"the key cannot be written: {error.strerror}", where=str(folder)
        ) from error
    return made


def load_key(folder: Path, name: str = PRIVATE) -> Key:
    """Return the folder's key.

    Raises SourceError when there is none or it is no Ed25519 key, ConfigError when others can
    read it.
    """
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    path = folder / name
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise SourceError(
            f"the key cannot be read: {error.strerror}",
            where=str(path),
            hint="make one: sakimori evidence init --chain DIR, or name its folder: --keys DIR",
        ) from error
    if mode & 0o077:
        raise ConfigError(
            "others can read this key, so its seals prove nothing",
            where=str(path),
            hint="chmod 600 it, and make a new one if it may have been copied",
        )
    try:
        key = form.load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise SourceError("this is no private key in PEM", where=str(path)) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SourceError("this is no Ed25519 key", where=str(path))
    return Key(key, _public_of(key))


def read_public(data: bytes, where: str = "") -> Public:
    """Return a public key from PEM. Raises SourceError when it is none, or not Ed25519."""
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    try:
        key = _loaded(data)
        spki = form.PublicFormat.SubjectPublicKeyInfo
        return Public(
            key.public_bytes(form.Encoding.PEM, spki).decode(),
            sha256(key.public_bytes(form.Encoding.DER, spki)),
        )
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"this is no public key: {error}",
            where=where,
            hint="an Ed25519 key in PEM, such as evidence.pub.pem",
        ) from error


def _loaded(pem: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PublicKey,
    )

    try:
        key = form.load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("its kind is not supported") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("it is not an Ed25519 key")  # noqa: TRY004 - the file is wrong
    return key


def _public_of(key: Ed25519PrivateKey) -> Public:
    from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415

    spki = form.PublicFormat.SubjectPublicKeyInfo
    return read_public(key.public_key().public_bytes(form.Encoding.PEM, spki))


# Seals


def seal_chain(chain: Chain, key: Key, *, actor: str, time: datetime, tool: str) -> Record:
    """Sign the chain's head, add that as a record, and write it as two files in `seals/`.

    Raises SourceError when there is nothing to seal, StateError when it cannot be written.
    """
    head = chain.head()
    if not head.seq:
        raise SourceError("there is no record to seal", where=str(chain.folder))
    lines = (_SEAL, f"records {head.seq}", f"head {head.hash}", f"time {time_text(time)}",
             f"key {key.public.fingerprint}")  # fmt: skip
    body = _signed(lines, key) | {"public_key": key.public.pem}
    entry = Entry(kind="seal", actor=actor, time=time, tool=tool, body=body)
    record = chain.append(entry)
    write_seal(chain.folder, record)
    return record


def write_seal(folder: Path, record: Record) -> None:
    """Write a seal's statement and signature as files. Raises StateError."""
    name = file_name(record.seq)
    try:
        (folder / SEALS).mkdir(exist_ok=True)
        replace_file(folder / SEALS / f"{name}.txt", record.body["statement"].encode())
        replace_file(folder / SEALS / f"{name}.sig", bytes.fromhex(record.body["signature"]))
    except OSError as error:
        raise StateError(
            f"the seal is recorded, but its files cannot be written: {error.strerror}",
            where=str(folder / SEALS),
            hint="check free space and permissions",
        ) from error


def rotate(
    chain: Chain, keys: Path, *, actor: str, time: datetime, tool: str
) -> tuple[Record, Key]:
    """Replace the key: the old one signs the new one, and only then is the old one put away.

    The old private key stays in the folder under its fingerprint. Raises as `load_key` does.
    """
    old = load_key(keys)
    (keys / NEXT).unlink(missing_ok=True)  # from a try that did not end
    new = make_key(keys, NEXT)
    lines = (_KEY, f"old {old.public.fingerprint}", f"new {new.public.fingerprint}",
             f"time {time_text(time)}")  # fmt: skip
    body = _signed(lines, old) | {
        "public_key": old.public.pem,
        "new_public_key": new.public.pem,
    }
    entry = Entry(kind="key", actor=actor, time=time, tool=tool, body=body)
    record = chain.append(entry)
    (keys / PRIVATE).rename(keys / f"evidence-{old.public.fingerprint[:16]}.old.pem")
    (keys / NEXT).rename(keys / PRIVATE)
    replace_file(keys / PUBLIC, new.public.pem.encode())
    return record, new


def _signed(lines: tuple[str, ...], key: Key) -> dict[str, str]:
    text = "\n".join(lines) + "\n"
    return {"statement": text, "signature": key.sign(text.encode()).hex()}


def statement_of(body: Mapping[str, Any]) -> Statement:
    """Return what the body of a `seal` or `key` record says. Raises SourceError when it is none.

    The signature is not checked here.
    """
    try:
        text = str(body["statement"])
        signature = bytes.fromhex(body["signature"])
        signer = read_public(str(body["public_key"]).encode())
        said = _said(text)
        if text.startswith(_SEAL + "\n"):
            names = ["records", "head", "time", "key"]
            fits = list(said) == names and said["key"] == signer.fingerprint
            made = Statement(
                "seal", text.encode(), signature, signer,
                records=int(said["records"]), head=said["head"], time=said["time"],
            )  # fmt: skip
        else:
            new = read_public(str(body["new_public_key"]).encode())
            fits = text.startswith(_KEY + "\n") and list(said) == ["old", "new", "time"]
            fits = fits and (said["old"], said["new"]) == (signer.fingerprint, new.fingerprint)
            made = Statement("key", text.encode(), signature, signer, time=said["time"], new=new)
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError(f"this is no statement of a seal: {error!r}") from error
    if not fits:
        raise SourceError("the statement does not fit its key")
    return made


def _said(text: str) -> dict[str, str]:
    lines = text.split("\n")
    if lines[-1] != "":
        raise ValueError("the last line has no end")
    return dict(line.split(" ", 1) for line in lines[1:-1])


# Files


def file_name(seq: int) -> str:
    """Return how files about a record are named, without their ending."""
    return f"{seq:06d}"


def write_new(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Write a file that must not be there. Raises OSError; nothing is left behind then."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace_file(path: Path, data: bytes) -> None:
    """Write aside, then rename. Raises OSError; what was there before is kept then."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    write_new(beside, data)
    beside.replace(path)
