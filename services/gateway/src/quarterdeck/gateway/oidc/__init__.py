"""People who come with a token of an identity provider (OpenID Connect)."""
