"""One module a node kind: what begins a step of it, and what continues one that waits."""
