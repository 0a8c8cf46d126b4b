"""Work queue and reconcile loop for Quarterdeck's controllers.

A controller makes the world agree with what is declared. It is told only *which* object may
have changed, never how: it reads the present state, does what is missing and is told again
if that failed. So a lost, doubled or late notice changes nothing but the time it takes.

- `quarterdeck.controller.queue.WorkQueue`: what is to be looked at, each key by one worker at a time.
- `quarterdeck.controller.loop.Controller`: takes keys from a queue and reconciles them.
- `quarterdeck.controller.backoff.Backoff`: how long a failing key waits.
- `quarterdeck.controller.metrics.ControllerMetrics`: the instruments of both.
"""
