"""The per-user address of a letter: nobody can guess another's, and it tells nothing by itself."""

from __future__ import annotations

import base64
import hmac

from sakimori.errors import ConfigError

LEAST_SECRET = 32  # bytes
# 26 letters and digits without 0, 1, 8 and 9, as of RFC 4648 base 32, in small letters: they can be
# typed from paper. 130 bits.
SHAPE = "[a-z2-7]{26}"


def token_of(secret: bytes, subject: str) -> str:
    """Return the token of a subject (address and case, say): HMAC-SHA256, cut to 130 bits.

    The same secret and subject give the same token. Raises ConfigError for a secret under 32 bytes.
    """
    if len(secret) < LEAST_SECRET:
        raise ConfigError(
            f"the secret has {len(secret)} bytes, too few", hint=f"{LEAST_SECRET} random bytes"
        )
    digest = hmac.digest(secret, subject.encode("utf-8", "surrogatepass"), "sha256")
    return base64.b32encode(digest).decode().lower()[:26]
