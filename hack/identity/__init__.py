"""An OpenID Connect provider for development and tests: who signs in is chosen, not proved."""
