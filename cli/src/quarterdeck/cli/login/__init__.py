"""Signing in at an identity provider from a terminal (OAuth 2.0 Device Authorization Grant, RFC 8628)."""
