"""The one chart: CPU seconds for a million contacts, as an SVG that needs no drawing library."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.cost.cases import Case

_WIDTH, _LEFT, _RIGHT = 860, 285, 70
_ROW, _GAP, _TOP = 21, 34, 62
_OURS, _OTHERS, _FLOOR = "#0b7a75", "#9aa5b1", "#d9a441"


def draw(groups: Mapping[str, Sequence[Case]], seconds: Mapping[str, float], note: str) -> str:
    """Draw a bar for each case, group by group, all on one scale."""
    longest = max(seconds[case.name] for cases in groups.values() for case in cases)
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    parts, y = [], _TOP
    for title, cases in groups.items():
        parts.append(_text(14, y + 14, title, weight=600))
        y += 22
        for case in sorted(cases, key=lambda case: seconds[case.name]):
            parts.append(_bar(case, seconds[case.name], scale, y))
            y += _ROW
        y += _GAP - 22
    head = [
        _text(14, 26, "CPU seconds for one million contacts (less is better)", size=17, weight=600),
        _text(14, 46, note, size=12, colour="#52606d"),
    ]
    return "\n".join([_opening(y + 8), *head, *parts, "</svg>\n"])


def _opening(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="system-ui, sans-serif" role="img" '
        'aria-label="CPU seconds for one million contacts, by tool">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    )


def _bar(case: Case, seconds: float, scale: float, y: int) -> str:
    colour = _OURS if case.ours else _FLOOR if case.name == "gzip" else _OTHERS
    length = max(seconds * scale, 1.5)
    weight = 600 if case.ours else 400
    return "\n".join(
        (
            _text(_LEFT - 8, y + 14, case.label, weight=weight, anchor="end"),
            _rectangle(_LEFT, y + 2, length, _ROW - 6, colour),
            _text(_LEFT + length + 6, y + 14, f"{seconds:.{2 if seconds < 10 else 0}f}"),
        )
    )


def _rectangle(x: int, y: int, width: float, height: int, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" rx="2" fill="{colour}"/>'


def _text(
    x: float,
    y: int,
    text: str,
    *,
    size: int = 13,
    weight: int = 400,
    colour: str = "#1f2933",
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
