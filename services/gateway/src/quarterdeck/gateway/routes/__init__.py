"""REST, a module for each subject. A route translates, calls, translates back; nothing else.

`ROUTERS` are matched in order: the paths of declared resources are the most general and come last.
"""

from __future__ import annotations

from fastapi import APIRouter

from quarterdeck.gateway.routes import (
    access,
    approvals,
    artifacts,
    bus,
    chat,
    cluster,
    keys,
    memory,
    models,
    resources,
    run_archive,
    run_batches,
    run_files,
    run_repeating,
    run_steering,
    runs,
    sign_in,
    tools,
    triggers,
)

ROUTERS: tuple[APIRouter, ...] = (
    runs.router,
    run_batches.router,
    run_steering.router,
    run_repeating.router,
    run_archive.router,
    run_files.router,
    approvals.router,
    tools.router,
    memory.router,
    artifacts.router,
    models.router,
    triggers.router,
    chat.router,
    bus.router,
    access.router,
    keys.router,
    sign_in.router,
    cluster.router,
    resources.router,
)
