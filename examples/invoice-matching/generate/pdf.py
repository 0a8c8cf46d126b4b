"""Turns an invoice into the bytes of a PDF; equal invoices give equal bytes."""

from __future__ import annotations

from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from generate.layouts import LAYOUTS
from generate.layouts.page import Page
from generate.model import Invoice


def invoice_pdf(invoice: Invoice) -> bytes:
    """One page, real text, no metadata that would give the vendor away.

    Streams are not compressed: compressed bytes differ between builds of zlib.
    """
    buffer = BytesIO()
    canvas = Canvas(buffer, pagesize=A4, pageCompression=0, invariant=1)
    canvas.setTitle("invoice")
    LAYOUTS[invoice.vendor.style.layout](Page(canvas, invoice))
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()
