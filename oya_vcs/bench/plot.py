"""Lines in a coordinate system, as SVG. Standard library only; knows nothing of what it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 170, 30, 50
COLOURS = ("#1b6ca8", "#d1495b", "#3a7d44", "#8a5cb8", "#c77b12", "#555555")

Line = Sequence[tuple[float, float]]


def svg(title: str, across: str, up: str, lines: Mapping[str, Line], *, dashed: str = "") -> str:
    """A picture of lines by name; those whose name ends in `dashed` are dashed and share the colour
    of the one without it."""
    points = [point for line in lines.values() for point in line]
    right = max(x for x, _ in points) or 1.0
    high = max(y for _, y in points) or 1.0
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> str:
        return f"{LEFT + x / right * wide:.1f},{TOP + (1 - y / high) * tall:.1f}"

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>',
    ]
    for step in range(6):
        x, y = right * step / 5, high * step / 5
        parts.append(f'<polyline points="{at(0, y)} {at(right, y)}" stroke="#dddddd"/>')
        parts.append(_text(at(0, y), -8, 4, f"{y:.3g}", "end"))
        parts.append(_text(at(x, 0), 0, 18, f"{x:.3g}", "middle"))
    parts.append(_text(at(right / 2, 0), 0, 38, across, "middle"))
    parts.append(_text(at(0, high), 4, -6, up, "start"))
    colours: dict[str, str] = {}
    for name, line in lines.items():
        theory = bool(dashed) and name.endswith(dashed)
        plain = name.removesuffix(dashed) if theory else name
        colour = colours.setdefault(plain, COLOURS[len(colours) % len(COLOURS)])
        dash = ' stroke-dasharray="4 4"' if theory else ""
        drawn = " ".join(at(x, y) for x, y in line)
        parts.append(
            f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
    for number, (name, colour) in enumerate(colours.items()):
        x, y = WIDTH - RIGHT + 16, TOP + 20 * number + 12
        parts.append(f'<rect x="{x}" y="{y - 9}" width="14" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 20}" y="{y - 3}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(at: str, right: float, down: float, text: str, anchor: str) -> str:
    x, y = (float(one) for one in at.split(","))
    place = f'x="{x + right:.1f}" y="{y + down:.1f}"'
    return f'<text {place} text-anchor="{anchor}">{escape(text)}</text>'
