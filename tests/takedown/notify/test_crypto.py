from __future__ import annotations

import email
import shutil
import subprocess  # noqa: TID251 - openssl is the other side
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import policy
from typing import TYPE_CHECKING, Any

import gnupg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sakimori.errors import RefusedError
from sakimori.takedown.notify.crypto import seal
from sakimori.takedown.notify.group import Group
from sakimori.takedown.notify.message import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sakimori.intel.contacts import Contact
    from sakimori.takedown.notify.events import VictimEvent
    from sakimori.takedown.notify.message import Notice, Sender

NOW = datetime.now(UTC)  # gpg uses the true clock
with_gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="gpg is not installed")
with_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


@pytest.fixture
def notice_for(
    event: Callable[..., VictimEvent], contact: Contact, sender: Sender
) -> Callable[[str], Notice]:
    def make(key: str) -> Notice:
        return compose(Group("x", (event(),)), replace(contact, key=key), sender, NOW)

    return make


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    yield home
    stop = shutil.which("gpgconf")
    if stop:
        subprocess.run([stop, "--homedir", str(home), "--kill", "all"], check=False, timeout=20)  # noqa: S603


def new_key(home: Path, mail: str, expires: str = "0", *options: str) -> str:
    gpg = gnupg.GPG(gnupghome=str(home), options=list(options))
    wanted = gpg.gen_key_input(
        key_type="EDDSA", key_curve="ed25519", subkey_type="ECDH", subkey_curve="cv25519",
        name_real="x", name_email=mail, no_protection=True, expire_date=expires,
    )  # fmt: skip
    return str(gpg.gen_key(wanted).fingerprint)


@pytest.fixture(scope="module")
def good_key(keyring: Path) -> str:
    return new_key(keyring, "team@isp.example")


def content(data: bytes) -> Any:
    return email.message_from_bytes(data, policy=policy.default)


def check_inside(sealed: bytes, opened: bytes) -> None:
    """What is sealed is whole, and nothing of it is outside."""
    inside = content(opened)
    assert "Infected computers" in inside["Subject"]
    assert [p.get_filename() for p in inside.iter_attachments()] == ["events.csv", "xarf.json"]
    assert "192.0.2.10" in inside.get_body(("plain",)).get_content()
    outside = content(sealed)
    assert "Infected" not in outside["Subject"]
    assert "encrypted" in outside["Subject"]
    assert outside["To"].addresses[0].addr_spec == "abuse@isp.example"
    assert outside["Message-ID"]
    assert b"192.0.2" not in sealed


@with_gpg
def test_pgp_can_be_opened_by_its_reader(
    notice_for: Callable[[str], Notice], keyring: Path, good_key: str
) -> None:
    sealed = seal(notice_for(good_key), keyring, NOW).as_bytes()
    parts = list(content(sealed).iter_parts())
    assert content(sealed)["Content-Type"].params["protocol"] == "application/pgp-encrypted"
    assert parts[0].get_content().strip() == b"Version: 1"
    opened = gnupg.GPG(gnupghome=str(keyring)).decrypt(parts[1].get_payload())
    assert opened.ok
    check_inside(sealed, opened.data)


@with_gpg
@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("expired", "has expired"),
        ("another's", "made out to team@other.example"),
        ("missing", "not in the keyring"),
        ("short", "no whole fingerprint"),
    ],
)
def test_a_pgp_key_that_cannot_be_used_holds_the_message(
    notice_for: Callable[[str], Notice], keyring: Path, kind: str, why: str
) -> None:
    key = {
        "expired": lambda: new_key(
            keyring, "team@isp.example", "1d", "--faked-system-time", "20200101T000000"
        ),
        "another's": lambda: new_key(keyring, "team@other.example"),
        "missing": lambda: "A" * 40,
        "short": lambda: "ABCDEF12",
    }[kind]()
    with pytest.raises(RefusedError, match=f"abuse@isp.example is held.*{why}"):
        seal(notice_for(key), keyring, NOW)


def test_without_a_keyring_the_message_is_held(
    notice_for: Callable[[str], Notice], tmp_path: Path
) -> None:
    for home in (None, tmp_path / "none"):
        with pytest.raises(RefusedError, match="no keyring"):
            seal(notice_for("A" * 40), home, NOW)


def test_without_a_key_the_message_is_as_it_was(notice_for: Callable[[str], Notice]) -> None:
    notice = notice_for("")
    assert seal(notice, None, NOW) is notice.mail


def new_certificate(
    folder: Path, mail: str, days: tuple[int, int] = (-1, 30), key: Any = None
) -> tuple[Path, Path]:
    key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(mail)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    secret, public = folder / "key.pem", folder / "certificate.pem"
    secret.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))  # fmt: skip
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return secret, public


@with_openssl
def test_smime_can_be_opened_by_openssl(
    notice_for: Callable[[str], Notice], tmp_path: Path
) -> None:
    secret, public = new_certificate(tmp_path, "soc@isp.example")
    sealed = seal(notice_for(str(public)), None, NOW).as_bytes()
    (tmp_path / "mail.eml").write_bytes(sealed)
    opened = subprocess.run(  # noqa: S603 - fixed options
        [str(shutil.which("openssl")), "cms", "-decrypt", "-in", str(tmp_path / "mail.eml"),
         "-inkey", str(secret), "-recip", str(public)],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    check_inside(sealed, opened.stdout)


EC = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("mail", "days", "why"),
    [
        ("soc@isp.example", (-30, -1), "certificate expired on"),
        ("soc@isp.example", (1, 30), "not valid yet"),
        ("soc@other.example", (-1, 30), "made out to soc@other.example"),
        ("soc@isp.example", (-1, 30), "holds no RSA key"),
    ],
)
def test_a_certificate_that_cannot_be_used_holds_the_message(
    notice_for: Callable[[str], Notice], tmp_path: Path, mail: str, days: tuple[int, int], why: str
) -> None:
    _, public = new_certificate(tmp_path, mail, days, EC)
    with pytest.raises(RefusedError, match=f"is held.*{why}"):
        seal(notice_for(str(public)), None, NOW)


def test_a_certificate_that_is_none_holds_the_message(
    notice_for: Callable[[str], Notice], tmp_path: Path
) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(RefusedError, match="no PEM certificate"):
        seal(notice_for(str(tmp_path / "x.pem")), None, NOW)
    with pytest.raises(RefusedError, match="cannot be read"):
        seal(notice_for(str(tmp_path / "none.pem")), None, NOW)
