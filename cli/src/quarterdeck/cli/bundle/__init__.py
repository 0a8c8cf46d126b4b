"""Support bundles: what helps to find a fault, without secrets and without what people wrote."""
