"""Settings of every test in the repository."""

from hypothesis import settings

# Two cores shared with real servers: how long one example takes says nothing about the code.
settings.register_profile("quarterdeck", deadline=None)
settings.load_profile("quarterdeck")

# Real PostgreSQL, Redis and RabbitMQ for the tests that ask: postgres_url, redis_url, rabbitmq_url, broker.
pytest_plugins = ["hack.services.plugin"]
