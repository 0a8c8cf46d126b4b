"""What every request passes on its way in, as plain ASGI: the outermost first.

`Observe` (id, trace, metrics, log, headers), `Browsers`, `BodyLimit`, `Authenticate`, `RateLimits`,
`Idempotency`, `DirectCalls`, `DirectReads`.
"""
