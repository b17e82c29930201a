"""Refuses query parameters that a route does not have: a misspelt `dry_run` must not do the thing itself."""

from __future__ import annotations

import difflib

from fastapi import Depends, Request
from fastapi.routing import APIRoute

from pulsing.admin.problems import MAX_FAULTS, ProblemError


async def _refuse_unknown(request: Request) -> None:
    route: APIRoute = request.scope["route"]
    known = [parameter.alias for parameter in route.dependant.query_params]
    unknown = sorted(set(request.query_params) - set(known))
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0][:200], known, n=1, cutoff=0.5)
    raise ProblemError(
        "validation",
        f"no parameter {unknown[0][:200]!r}",
        hint=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}",
        errors=[{"loc": ["query", name[:200]], "msg": "Unknown parameter"} for name in unknown[:MAX_FAULTS]],
    )


ONLY_KNOWN = Depends(_refuse_unknown)
"""The dependency of a route that takes none but the query parameters in its signature"""
