"""The layouts an invoice can have, by name: each draws one page on a reportlab canvas."""

from __future__ import annotations

from collections.abc import Callable

from generate.layouts import boxed, classic, letter, sidebar, slip
from generate.layouts.page import Page

LAYOUTS: dict[str, Callable[[Page], None]] = {
    "classic": classic.draw,
    "boxed": boxed.draw,
    "letter": letter.draw,
    "sidebar": sidebar.draw,
    "slip": slip.draw,
}
