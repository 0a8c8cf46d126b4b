"""Makes one month of a small shop: a bank statement, its invoices as PDFs and the answer key.

Run it from the example's folder: ``python -m generate --seed 7 --month 2025-01 --out data/2025-01``.
The same seed and month give the same bytes.
"""
