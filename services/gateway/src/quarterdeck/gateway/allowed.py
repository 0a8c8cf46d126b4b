"""Which methods a path has, over all the routes that serve it."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> tuple[str, ...]:
    """Returns the methods of a path, sorted; the router itself would name those of its first route alone."""
    fitting = (route for route in routes if isinstance(route, Route) and route.path_regex.match(path))
    return tuple(sorted({method for route in fitting for method in route.methods or ()}))
