"""Tenants in a cluster: each has a namespace with limits, closed to others, and with its administrators."""
