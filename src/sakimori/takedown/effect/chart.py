"""The picture: counts seen and counts expected without the action, one panel a series, one time axis.

A gap in the data is a gap in the line. Nothing is fetched: SVG and HTML hold all they need but
fonts, HTML has no script.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from sakimori.hostile import defanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sakimori.takedown.effect.result import Curve

PANELS = 4
WIDTH, HEIGHT = 720, 190
FONTS = "'Noto Sans CJK JP', 'Hiragino Sans', 'Yu Gothic', Meiryo, IPAexGothic, Arial, sans-serif"
SEEN, EXPECTED, ACTION = "#1b4965", "#c8553d", "#555555"
_FORMATS = {"en": "%-d %b %Y", "ja": "%Y/%-m/%-d"}
_LARGE = {
    "en": ((1e12, " tn"), (1e9, " bn"), (1e6, " M"), (1e3, " k")),
    "ja": ((1e12, " 兆"), (1e8, " 億"), (1e4, " 万")),
}


class Panel:
    """One series to draw: its curve, its name, and one sentence on what was found."""

    __slots__ = ("curve", "name", "said")

    def __init__(self, name: str, said: str, curve: Curve) -> None:
        self.name, self.said, self.curve = name, said, curve


class Words:
    """What the picture says: language, title, and the names of its marks."""

    __slots__ = ("action", "expected", "lang", "seen", "title")

    def __init__(self, lang: str, title: str, seen: str, expected: str, action: str) -> None:
        self.lang, self.title, self.action = lang, title, action
        self.seen, self.expected = seen, expected


def draw(panels: Sequence[Panel], when: datetime, words: Words, kind: str) -> bytes:
    """Return the picture as a file of a kind: "svg", "png" or "html"."""
    import vl_convert  # noqa: PLC0415 - slow to import

    spec = specification(panels, when, words)
    if kind == "png":
        png: bytes = vl_convert.vegalite_to_png(spec, scale=2.0, allowed_base_urls=[])
        return png
    svg = tidy(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]), words.title)
    return (page(svg, panels, words) if kind == "html" else svg).encode()


def specification(panels: Sequence[Panel], when: datetime, words: Words) -> dict[str, Any]:
    """Return the Vega-Lite specification (version 6) with its data inside."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": defanged(words.title, 110),
            "anchor": "start",
            "fontSize": 16,
            "offset": 14,
        },
        "background": "white",
        "spacing": 18,
        "vconcat": [_panel(p, when, words, last=p is panels[-1]) for p in panels],
        "resolve": {"scale": {"x": "shared", "color": "shared"}},
        "config": {
            "font": FONTS,
            "view": {"stroke": None},
            "legend": {"orient": "bottom", "labelLimit": 500, "labelFontSize": 12, "title": None},
        },
    }


def _panel(panel: Panel, when: datetime, words: Words, *, last: bool) -> dict[str, Any]:
    axis = {"format": _FORMATS[words.lang], "title": None, "labels": last, "ticks": last,
            "grid": False, "tickCount": 8, "labelOverlap": True}  # fmt: skip
    x = {"field": "at", "type": "temporal", "scale": {"type": "utc"}, "axis": axis}
    y_axis = {"labelExpr": _large(words.lang), "tickCount": 5, "title": None}
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "title": {"text": defanged(panel.name, 90), "subtitle": _lines(panel.said),
                  "anchor": "start", "fontSize": 13, "subtitleFontSize": 12,
                  "subtitleColor": "#444444"},
        "data": {"values": _rows(panel.curve, when)},
        "encoding": {"x": x},
        "layer": [*_marks(words, y_axis), *_action(when, words)],
    }  # fmt: skip


def _marks(words: Words, axis: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the band and line of the counterfactual, the line of what was seen, and lone points."""
    names = {"domain": [words.seen, words.expected], "range": [SEEN, EXPECTED]}
    later = [{"filter": "isValid(datum.low)"}]

    def y(field: str) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "axis": axis, "scale": {"zero": True}}

    def colour(name: str) -> dict[str, Any]:
        return {"datum": name, "type": "nominal", "scale": names}

    return [
        {"transform": later, "mark": {"type": "area", "color": EXPECTED, "opacity": 0.18},
         "encoding": {"y": y("low"), "y2": {"field": "high"}}},
        {"transform": later, "mark": {"type": "line", "strokeDash": [5, 3], "strokeWidth": 1.8},
         "encoding": {"y": y("expected"), "color": colour(words.expected)}},
        {"mark": {"type": "line", "strokeWidth": 1.8},
         "encoding": {"y": y("seen"), "color": colour(words.seen)}},
        {"transform": [{"filter": "datum.lone"}],
         "mark": {"type": "point", "filled": True, "size": 16, "opacity": 1},
         "encoding": {"y": y("seen"), "color": colour(words.seen)}},
    ]  # fmt: skip


def _action(when: datetime, words: Words) -> list[dict[str, Any]]:
    data = {"values": [{"at": _time(when), "word": defanged(words.action, 60)}]}
    text = {"type": "text", "align": "left", "dx": 4, "color": ACTION, "fontSize": 11}
    return [
        {"data": data, "mark": {"type": "rule", "color": ACTION, "strokeDash": [2, 2]}},
        {"data": data, "mark": text,
         "encoding": {"text": {"field": "word"}, "y": {"value": 8}}},
    ]  # fmt: skip


def _rows(curve: Curve, when: datetime) -> list[dict[str, Any]]:
    seen = curve.seen
    there = ~np.isnan(seen)
    beside = np.concatenate([[False], there, [False]])
    lone = there & ~beside[:-2] & ~beside[2:]
    rows = []
    for at, time in enumerate(curve.times):
        row: dict[str, Any] = {
            "at": _time(time),
            "seen": float(seen[at]) if there[at] else None,
            "lone": bool(lone[at]),
        }
        if time >= when and not np.isnan(curve.counterfactual[at]):
            row |= {
                "expected": float(curve.counterfactual[at]),
                "low": float(curve.low[at]),
                "high": float(curve.high[at]),
            }
        rows.append(row)
    return rows


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _large(lang: str) -> str:
    """Return a Vega expression that writes large numbers with the language's words."""
    text = "format(datum.value, ',~g')"
    for size, word in reversed(_LARGE[lang]):
        text = f"datum.value >= {size:.0f} ? format(datum.value / {size:.0f}, ',~g') + '{word}' : {text}"
    return text


def _lines(said: str, wide: int = 104) -> list[str]:
    """Break a sentence into lines; wide letters count twice."""
    lines, line, used = [], "", 0
    for word in re.split(r"(?<=[ 、。])", defanged(said, 400)):
        size = sum(2 if ord(c) > 0x2E80 else 1 for c in word)
        if line and used + size > wide:
            lines.append(line.strip())
            line, used = "", 0
        line, used = line + word, used + size
    return [*lines, line.strip()]


def tidy(svg: str, title: str) -> str:
    """Return an SVG with a title for screen readers."""
    return re.sub(
        r"(<svg[^>]*?)>", lambda m: f'{m[1]} role="img"><title>{escape(defanged(title))}</title>',
        svg, count=1,
    )  # fmt: skip


def page(svg: str, panels: Sequence[Panel], words: Words) -> str:
    """Return a page with the picture in it: no script, nothing from elsewhere."""
    said = "".join(
        f"<li><strong>{escape(defanged(p.name))}</strong>: {escape(defanged(p.said, 400))}</li>"
        for p in panels
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        f'<!DOCTYPE html>\n<html lang="{words.lang}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(defanged(words.title))}</title>"
        f"<style>body{{font:15px/1.6 {FONTS};margin:2rem auto;max-width:60rem;padding:0 1rem}}"
        "svg{max-width:100%;height:auto}</style></head>"
        f"<body>\n{svg}\n<ul>{said}</ul></body></html>\n"
    )
