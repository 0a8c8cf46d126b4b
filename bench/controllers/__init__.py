"""Controllers: ours in the cluster's shape, and kopf doing the same job; `make bench-controllers`."""
