"""Receipts by the templates in force: for the print queue, and for the screen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cache

from agent.domain import shop
from agent.domain.barcode import PAPER_DOTS_MIN
from agent.receipts.book import Book, built_in
from agent.receipts.maker import document_of, lay_out, number_alone, without_promo
from agent.receipts.redemption import Means

log = logging.getLogger(__name__)

SCREEN_COLUMNS = 32
"""Width of a receipt as plain text on a screen, which has no room for 48."""


class Papers:
    """folder: the store's own templates, "" for none. of_bundle: those of the bundle in force, asked for each time.
    paper_dots: printable width of the narrowest printer, asked for once, when a receipt is laid out."""

    def __init__(
        self,
        folder: str,
        of_bundle: Callable[[], tuple[shop.Template, ...]],
        paper_dots: Callable[[], int] = lambda: PAPER_DOTS_MIN,
    ) -> None:
        self._book = Book(folder)
        self._of_bundle = of_bundle
        self._paper_dots = cache(paper_dots)
        self._told: dict[tuple[str, str], str] = {}  # the last of each barcode and image
        self._told_of: tuple[shop.Template, ...] = ()

    def faults(self) -> Sequence[str]:
        """A sentence for each template or image that is not used, and for what was printed as text instead."""
        return self._current().faults + tuple(self._told.copy().values())

    def lay_out(self, stored: str) -> str:
        """The document of a receipt's facts, both as JSON text (`maker.lay_out`)."""
        book = self._current()
        return lay_out(stored, book.pick, Means(self._paper_dots(), book.images, self._tell))

    def instead(self) -> Sequence[Callable[[str], str]]:
        """Shorter documents of the same facts: by our own template, and the number alone."""
        return (lambda stored: lay_out(stored, built_in)), number_alone

    def shown(self, stored: str, kept: str | None, copies: int, *, on_paper: bool = True) -> tuple[str, str]:
        """(plain text, HTML) of a receipt: what was printed, or what would be now. Without its promotion code while it
        is on no paper: who saw it could spend it elsewhere, give the receipt up, and the next customer would get it.
        """
        # What draws codes and knows widths takes a tenth of a start.
        from agent.receipts.html import render_html
        from agent.receipts.plain import render_text

        if not on_paper:
            stored, kept = without_promo(stored), None
        document = document_of(self.lay_out(stored) if kept is None else kept, copies)
        return render_text(document, SCREEN_COLUMNS), render_html(document)

    def _current(self) -> Book:
        templates = self._of_bundle()
        if templates is not self._told_of:
            self._told, self._told_of = {}, templates
        self._book.take(templates)
        return self._book

    def _tell(self, where: tuple[str, str], why: str) -> None:
        if self._told.get(where) != why:
            log.warning("%s", why)
        self._told[where] = why
