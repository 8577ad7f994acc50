"""Text that an attacker may have written, made safe to show.

Host names, user agents, file names and mail subjects are chosen by others. Shown raw they can
move the cursor, hide a suffix behind a right-to-left mark, become a link or start a formula.
"""

from __future__ import annotations

import re
import unicodedata

_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # noqa: RUF001 - some locales run the wide ones too
_LIVE = re.compile(r"(?i)(https?|ftp)://")  # also right after a letter: Japanese has no spaces


def visible(text: str, limit: int = 200) -> str:
    r"""Return `text` on one line with control, bidi and unassigned characters as `\u{hex}`.

    Cut to `limit` characters with an ellipsis. Unicode categories Cc, Cf, Cs, Co, Cn, Zl, Zp are
    escaped, so that no terminal sequence or direction mark survives. Source: Unicode TR 36.
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(f"\\u{{{ord(c):x}}}" if is_unsafe(c) else c for c in cut)


def is_unsafe(char: str) -> bool:
    """Whether a character does something instead of showing something."""
    return unicodedata.category(char) in _UNSAFE


def defanged(text: str, limit: int = 200) -> str:
    """Return `visible(text)` with URL schemes broken (`hxxp://`), so that nothing is clickable."""
    return _LIVE.sub(
        lambda m: m[0].lower().replace("tt", "xx").replace("ftp", "fxp"), visible(text, limit)
    )


def csv_safe(text: str) -> str:
    """Return `text` so that no spreadsheet runs it: a leading formula sign gets a quote before it.

    Source: OWASP, CSV injection.
    """
    shown = visible(text, limit=32_000)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
