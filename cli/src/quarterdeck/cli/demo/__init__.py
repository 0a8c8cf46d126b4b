"""`qd demo`: a bookkeeper's morning, from manifests to a result table."""
