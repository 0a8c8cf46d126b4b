"""Draws sampled stacks as a flame graph: an SVG file without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape

Stack = tuple[str, ...]

WIDTH, ROW, MARGIN = 1200, 17, 8
# Narrower ones are left out, and names in boxes narrower than that.
NARROWEST, NARROWEST_NAME = 0.6, 28
CHARACTER = 6.2
COLOURS = ("#f4a259", "#f6bd60", "#e9c46a", "#e8a87c", "#f2cc8f")


@dataclass(slots=True)
class Node:
    """A function as it was called from those below it, and in how many samples."""

    count: int = 0
    calls: dict[str, Node] = field(default_factory=dict)

    def add(self, stack: Stack, count: int) -> None:
        """Adds samples of a stack, the outermost function first."""
        node = self
        node.count += count
        for name in stack:
            node = node.calls.setdefault(name, Node())
            node.count += count

    def depth(self) -> int:
        """Returns how many functions are on each other at most."""
        return 1 + max((call.depth() for call in self.calls.values()), default=0)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: its left edge and width in samples, its row from the bottom."""

    name: str
    left: int
    count: int
    row: int


def boxes(node: Node, left: int = 0, row: int = 0) -> Iterator[Box]:
    """Yields the rectangles above a node, the most frequent call to the left."""
    for name, call in sorted(node.calls.items(), key=lambda item: -item[1].count):
        yield Box(name, left, call.count, row)
        yield from boxes(call, left, row + 1)
        left += call.count


def draw(stacks: Mapping[Stack, int], title: str) -> str:
    """Returns the SVG."""
    root = Node()
    for stack, count in stacks.items():
        root.add(stack, count)
    scale = (WIDTH - 2 * MARGIN) / max(1, root.count)
    height = (root.depth() + 1) * ROW + 2 * MARGIN
    shapes = [_shape(box, scale, height, root.count) for box in boxes(root) if box.count * scale > NARROWEST]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
    style = 'font-family="monospace" font-size="10">'
    words = f'<text x="{MARGIN}" y="{ROW}" font-size="12">{escape(title)}</text>'
    return "\n".join((head + style, words, *shapes, "</svg>\n"))


def _shape(box: Box, scale: float, height: int, total: int) -> str:
    x, width = MARGIN + box.left * scale, box.count * scale
    y = height - MARGIN - (box.row + 1) * ROW
    colour = COLOURS[sum(map(ord, box.name)) % len(COLOURS)]
    named = escape(box.name)
    about = f"<title>{named} {box.count / total:.1%}</title>"
    rectangle = f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
    fits = int(width / CHARACTER)
    label = f'<text x="{x + 2:.1f}" y="{y + 11}">{escape(box.name[:fits])}</text>'
    return f"<g>{about}{rectangle}{label if width > NARROWEST_NAME else ''}</g>"
