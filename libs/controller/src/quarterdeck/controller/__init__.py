"""A runtime for Kubernetes controllers; `docs/controller.md` tells how to write one.

A controller makes the world agree with what is declared. It is told only *which* object may
have changed, never how: it reads the present state, does what is missing and is told again
if that failed. So a lost, doubled or late notice changes nothing but the time it takes.

For controllers of anything:

- `quarterdeck.controller.queue.WorkQueue`: what is to be looked at, each key by one worker at a time.
- `quarterdeck.controller.loop.Controller`: takes keys from a queue and reconciles them.
- `quarterdeck.controller.backoff.Backoff`: how long a failing key waits.
- `quarterdeck.controller.metrics`: the instruments of all of this.

For controllers of Kubernetes objects:

- `quarterdeck.controller.api`: the API server's verbs over parsed JSON.
- `quarterdeck.controller.caching`: a local copy that follows the API server.
- `quarterdeck.controller.leading`: one of several processes acts at a time.
- `quarterdeck.controller.running`: controllers, and the process that runs them.
- `quarterdeck.controller.writing`: owned objects, statuses, finalizers and events.
- `quarterdeck.controller.testing`: a real API server and a network that misbehaves.
"""
