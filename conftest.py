"""Settings of every test in the repository."""

from hypothesis import settings

# Two cores shared with real servers: how long one example takes says nothing about the code.
settings.register_profile("quarterdeck", deadline=None)
settings.load_profile("quarterdeck")

# Real PostgreSQL, Redis and RabbitMQ for the tests that ask: postgres_url, redis_url, rabbitmq_url, broker.
# Fresh databases: postgres_database; database_url, which runs a test once on each dialect.
pytest_plugins = ["hack.services.plugin", "hack.services.databases"]
