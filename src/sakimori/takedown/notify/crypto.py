"""Sealing a notice for one reader: PGP/MIME (RFC 3156) or S/MIME (RFC 8551).

Where a contact has a key, the message leaves sealed or not at all. A key that is missing, expired,
revoked, or somebody else's raises RefusedError, and the message is held: never sent in clear.
"""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sakimori.errors import RefusedError
from sakimori.takedown.notify.message import POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from email.message import Message

    from cryptography.x509 import Certificate

    from sakimori.takedown.notify.message import Notice

# Headers that a server needs; the rest, and the true subject, travel inside.
_OUTSIDE = ("From", "To", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "Date",
            "X-XARF", "X-Sakimori-Reference")  # fmt: skip


def seal(notice: Notice, keyring: Path | None, now: datetime) -> Message:
    """Return the message as it may leave: sealed when the contact has a key, else as it is.

    `keyring` is GnuPG's home folder, which holds the public keys. Raises RefusedError with the
    reason when the contact has a key that cannot be used.
    """
    key = notice.contact.key
    if not key:
        return notice.mail
    if re.fullmatch("[0-9A-Fa-f]+", key):
        return _pgp(notice, key.upper(), keyring, now)
    return _smime(notice, Path(key), now)


def _held(notice: Notice, why: str, hint: str) -> RefusedError:
    return RefusedError(f"the message to {notice.contact.mail} is held: {why}", hint=hint)


# PGP


def _pgp(notice: Notice, fingerprint: str, home: Path | None, now: datetime) -> Message:
    import gnupg  # noqa: PLC0415 - only when a contact has a PGP key

    if len(fingerprint) not in (40, 64):
        raise _held(notice, f"{fingerprint} is no whole fingerprint",
                    "give all 40 digits: short key ids can be forged")  # fmt: skip
    if home is None or not home.is_dir():
        raise _held(notice, "there is no keyring", "set keyring in section [mail] of the settings")
    try:
        gpg = gnupg.GPG(gnupghome=str(home))
    except (OSError, ValueError) as error:
        raise _held(notice, f"gpg cannot be run: {error}", "install GnuPG") from error
    _check_pgp(notice, gpg, fingerprint, now)
    done = gpg.encrypt(_inner(notice), fingerprint, always_trust=True)
    if not done.ok:
        raise _held(
            notice, f"gpg says: {done.status or 'no'}", f"try: gpg --list-keys {fingerprint}"
        )
    return _pgp_mime(notice, bytes(done.data))


def _check_pgp(notice: Notice, gpg: Any, fingerprint: str, now: datetime) -> None:
    """Refuse a key that is not there, has ended, cannot encrypt, or is of another domain."""
    found = [k for k in gpg.list_keys(keys=fingerprint) if k["fingerprint"] == fingerprint]
    if not found:
        raise _held(
            notice, f"key {fingerprint} is not in the keyring", "import it with gpg --import"
        )
    key = found[0]
    expires = int(key["expires"] or 0)
    if key["trust"] in ("e", "r") or (expires and expires <= now.timestamp()):
        what = "was revoked" if key["trust"] == "r" else "has expired"
        raise _held(notice, f"key {fingerprint} {what}", "ask the contact for the new key")
    if "E" not in key["cap"]:
        raise _held(notice, f"key {fingerprint} cannot encrypt", "ask for an encryption key")
    _check_domain(notice, _mails_in(" ".join(key["uids"])), f"key {fingerprint}")


def _pgp_mime(notice: Notice, data: bytes) -> Message:
    outer = MIMEMultipart("encrypted", policy=POLICY, protocol="application/pgp-encrypted")
    control = MIMEApplication(b"Version: 1\r\n", "pgp-encrypted", lambda _: None, policy=POLICY)
    body = MIMEApplication(
        data, "octet-stream", lambda _: None, policy=POLICY, name="encrypted.asc"
    )
    for part in (control, body):
        part.set_payload(part.get_payload())
        del part["MIME-Version"]
        outer.attach(part)
    return _outside(notice, outer)


# S/MIME


def _smime(notice: Notice, path: Path, now: datetime) -> Message:
    from cryptography.hazmat.primitives.ciphers import algorithms  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7  # noqa: PLC0415

    certificate = _certificate(notice, path)
    _check_certificate(notice, certificate, now)
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(_inner(notice))
    try:
        builder = builder.add_recipient(certificate)
    except TypeError as error:
        raise _held(
            notice, f"{path.name} holds no RSA key", "ask for an RSA certificate"
        ) from error
    builder = builder.set_content_encryption_algorithm(algorithms.AES256)
    data = builder.encrypt(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    outer = EmailMessage(policy=POLICY)
    outer.set_content(data, "application", "pkcs7-mime", disposition="attachment",
                      filename="smime.p7m",
                      params={"smime-type": "enveloped-data", "name": "smime.p7m"})  # fmt: skip
    return _outside(notice, outer)


def _certificate(notice: Notice, path: Path) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - slow to import

    try:
        return load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise _held(notice, f"certificate {path} cannot be read: {error.strerror}",
                    "check the column key of the contacts file") from error  # fmt: skip
    except ValueError as error:
        raise _held(notice, f"{path} is no PEM certificate", "export it as PEM") from error


def _check_certificate(notice: Notice, certificate: Certificate, now: datetime) -> None:
    if now >= certificate.not_valid_after_utc:
        raise _held(notice, f"the certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}",
                    "ask the contact for the new one")  # fmt: skip
    if now < certificate.not_valid_before_utc:
        raise _held(
            notice, "the certificate is not valid yet", "check the clock and the certificate"
        )
    _check_domain(notice, list(_certified(certificate)), "the certificate")


def _certified(certificate: Certificate) -> Iterator[str]:
    """Give the mail addresses that a certificate is made out to."""
    from cryptography.x509 import (  # noqa: PLC0415 - slow to import
        ExtensionNotFound,
        RFC822Name,
        SubjectAlternativeName,
    )
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
        yield from names.get_values_for_type(RFC822Name)
    except ExtensionNotFound:
        pass
    for name in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield str(name.value)


# Both


def _mails_in(text: str) -> list[str]:
    return re.findall(r"[^\s<>]+@[^\s<>]+", text)


def _check_domain(notice: Notice, mails: list[str], what: str) -> None:
    """A key of the same domain will do: teams share one. Another domain's key is a mistake."""
    wanted = notice.contact.mail.rpartition("@")[2].lower()
    if wanted not in {mail.rpartition("@")[2].lower() for mail in mails}:
        made_out = ", ".join(mails[:3]) or "nobody's mail address"
        raise _held(notice, f"{what} is made out to {made_out}", "check the contacts file")


def _inner(notice: Notice) -> bytes:
    """Return the content that is sealed, with the true subject inside."""
    inner = EmailMessage(policy=POLICY)
    inner["Subject"] = notice.mail["Subject"]
    for name in ("Content-Type", "Content-Transfer-Encoding", "MIME-Version"):
        if name in notice.mail:
            inner[name] = notice.mail[name]
    inner.set_payload(notice.mail.get_payload())
    return inner.as_bytes()


def _outside(notice: Notice, outer: Message) -> Message:
    for name in _OUTSIDE:
        if name in notice.mail:
            outer[name] = notice.mail[name]
    outer["Subject"] = f"Abuse report {notice.reference} (encrypted)"
    return outer
