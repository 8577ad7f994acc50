"""English in the code, other languages from `locales/<lang>/LC_MESSAGES/sakimori.po`.

Messages are whole sentences with {named} places. `tr` fills them in and makes hostile values
visible, so that a message can be shown as it is. A missing translation shows the English.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from sakimori.hostile import visible


@dataclass(frozen=True, slots=True)
class Translator:
    """Speaks one language."""

    lang: str

    def tr(self, message: str, **values: Any) -> str:
        """Return the message in this language with its places filled.

        A place without a value, or with None, shows as a dash.
        """
        text = _catalog(self.lang).get(message) or message
        return text.format_map(_Shown({name: _shown(value) for name, value in values.items()}))


class _Shown(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "-"


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return visible(str(value))


@cache
def _catalog(lang: str) -> dict[str, str]:
    if lang == "en":
        return {}
    from babel.messages.pofile import read_po  # noqa: PLC0415 - only when another language is asked

    path = files("sakimori").joinpath(f"locales/{lang}/LC_MESSAGES/sakimori.po")
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        catalog = read_po(file, locale=lang)
    return {str(m.id): str(m.string) for m in catalog if m.id and m.string and not m.fuzzy}
