"""Settings of every test in the repository."""

from hypothesis import settings

# Two cores shared with real servers: how long one example takes says nothing about the code.
settings.register_profile("quarterdeck", deadline=None)
settings.load_profile("quarterdeck")
