"""The peer of a start: tasks enqueued by Celery on RabbitMQ, publisher confirms on.

Runs in the environment .venv-bench, driven as `answers.py` says. Nothing consumes: what is measured is the
time until the broker has confirmed that it keeps the message. The queue is durable, classic (Celery's
default) or quorum, and the messages persistent.

    python bench/sides/celery_enqueue.py classic|quorum AMQP_URL
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from answers import serve
from celery import Celery

MOST = 160


def application(kind: str, url: str) -> Celery:
    """Returns the application, with a connection for every thread."""
    app = Celery("bench", broker=url)
    app.conf.update(
        broker_pool_limit=MOST,
        broker_transport_options={"confirm_publish": True},
        task_default_queue=f"bench-{kind}",
        task_default_queue_type=kind,
        task_ignore_result=True,
        worker_enable_remote_control=False,
    )
    return app


def main(kind: str, url: str) -> None:
    """Serves measurements."""
    app = application(kind, url)

    @app.task(name="bench.five")
    def five(value: dict[str, Any]) -> dict[str, Any]:
        return value

    def one(_number: int) -> None:
        five.apply_async(({},))

    def measure(concurrency: int, runs: int) -> None:
        with ThreadPoolExecutor(concurrency) as pool:
            list(pool.map(one, range(runs)))

    serve(measure)
    with app.connection_for_write() as connection:
        connection.default_channel.queue_delete(f"bench-{kind}")


if __name__ == "__main__":
    main(*sys.argv[1:])
