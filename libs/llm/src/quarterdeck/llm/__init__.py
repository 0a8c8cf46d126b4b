"""Model providers and the router of Quarterdeck.

- `types`: the provider-neutral contract: messages, requests, responses, the `Provider` protocol
- `errors`: everything that can go wrong, as data
- `router`, `route`: a `ModelRoute` at work: fall-back order, retries, limits, cost
- `providers`: which provider stands behind a target; `default_providers` for a machine's environment
- `anthropic_provider`, `openai_provider`: the remote ones; their SDKs are imported on the first call
- `playbook`: the deterministic stand-in for a model
- `structured`: answers checked against a JSON Schema; `compaction`: long transcripts made short
- `tokens`, `prices`: estimates and costs
- `testing`: a server that speaks the providers' wire formats
"""
