"""JSON Schemas of the ledger tools' arguments."""

from __future__ import annotations

from typing import Any

TRANSACTION = {"type": "integer", "description": "id of a transaction"}
NOTE = {"type": "string", "maxLength": 500}
PATH = {"type": "string", "description": "path under the data folder"}
INVOICE_IDS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "ids of invoices",
}
REVIEW_STATE = {"type": "string", "enum": ["waiting", "rejected", "none"]}
_DAY = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_TEXT_OR_NULL = {"type": ["string", "null"]}

INVOICE_FIELDS: dict[str, Any] = {
    "file": {"type": "string"},
    "vendor_name": {"type": "string", "minLength": 1},
    "number": {"type": "string", "minLength": 1},
    "date": _DAY,
    "due_date": {"type": ["string", "null"]},
    "total": {"type": "number"},
    "currency": {"type": "string", "minLength": 3, "maxLength": 3},
    "payment_reference": _TEXT_OR_NULL,
    "iban": _TEXT_OR_NULL,
    "credit_note": {"type": ["boolean", "null"]},
}

FIND_ARGUMENTS: dict[str, Any] = {
    "transaction": TRANSACTION,
    "include": {**INVOICE_IDS, "description": "invoices to look at in any case"},
    "number": {"type": "string"},
    "vendor": {"type": "string"},
    "amount": {"type": "number"},
    "limit": {"type": "integer", "minimum": 1, "maximum": 50},
}

BOOKING_ARGUMENTS: dict[str, Any] = {
    "transaction": TRANSACTION,
    "invoices": {**INVOICE_IDS, "minItems": 1},
    "amount": {"type": "number", "description": "in the invoices' currency"},
    "note": NOTE,
    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "approved_by": {"type": ["string", "null"], "description": "who approved it, when a person did"},
}
