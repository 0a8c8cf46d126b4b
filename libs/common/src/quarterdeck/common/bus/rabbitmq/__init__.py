"""The bus over RabbitMQ 3.10 or newer, by aio-pika. Uses nothing that 4.x removed."""

from __future__ import annotations

import logging

from quarterdeck.common.bus.rabbitmq.adapter import RabbitBus

__all__ = ["RabbitBus"]

# The link says once what is wrong; the libraries would say it at each attempt.
for _library in ("aiormq", "aio_pika"):
    logging.getLogger(_library).setLevel(logging.CRITICAL)
