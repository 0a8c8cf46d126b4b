"""Names and numbers of the egress proxy that others see."""

from __future__ import annotations

# Where pods ask.
PORT = 3128
# A name that leads nowhere. The proxy lets itself, and nobody else, ask for it: see `readiness`.
READY = "ready.invalid"
