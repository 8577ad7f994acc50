"""Package URLs, made and checked by packageurl-python."""

from __future__ import annotations

from functools import cache


def purl(kind: str, namespace: str, name: str, version: str, **qualifiers: str) -> str:
    """Return a package URL; "" where the parts make none. Source: ECMA-427, Package-URL."""
    from packageurl import PackageURL  # noqa: PLC0415 - slow to import

    given = {key: value for key, value in qualifiers.items() if value}
    try:
        return PackageURL(
            kind, namespace.lower() or None, name, version or None, qualifiers=given or None
        ).to_string()
    except ValueError:
        return ""


@cache
def checked(text: str) -> str:
    """Return a package URL that others wrote, in its normal form; "" where it is none."""
    from packageurl import PackageURL  # noqa: PLC0415 - slow to import

    try:
        return PackageURL.from_string(text).to_string()
    except ValueError:
        return ""
