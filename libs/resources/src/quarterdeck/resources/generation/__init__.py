"""What is generated from the kinds: CRDs, JSON Schemas, reference pages."""
