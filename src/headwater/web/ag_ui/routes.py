"""`/ag-ui`: runs for AG-UI clients, one POST each.

`threads` selects the run for a request, `ag_ui.wire` formats it. Errors are plain text, because clients show the body
unchanged.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from headwater.web.ag_ui.threads import Threads
from headwater.web.ag_ui.wire import ag_ui_wire
from headwater.web.http.answers import AnswerThatWaits
from headwater.web.http.bodies import parsed
from headwater.web.http.site import Handler, Site
from headwater.web.problems import Problem

__all__ = ("AGUIRoutes", "knows_subagents")

_VERSION: Final = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")
_SUBAGENTS_SINCE: Final = (0, 0, 59)


class AGUIRoutes:
    """The handlers of `/ag-ui`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._threads = Threads(site)
        self._number = itertools.count()

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """Returns the handlers by path and method."""
        return {"/ag-ui": {"POST": self.run}, "/ag-ui/{agent}": {"POST": self.run}}

    async def run(self, request: Request, caller: str | None) -> Response:
        """Runs an agent, or resumes a run that asked a question, and streams the result."""
        body = parsed(await self._site.body(request))
        self._site.manager.check_readers()
        subagents = knows_subagents(request.query_params.get("v"))
        answer = await self._threads.answer(request.path_params.get("agent"), body, caller)
        exchange = answer.exchange._replace(subagents=subagents)
        # Each stream depends on its client's messages, so no two requests share one.
        wire = ag_ui_wire(exchange, next(self._number))
        return AnswerThatWaits(self._site.manager, answer.live, wire)


def knows_subagents(version: str | None) -> bool:
    """Whether a client of that version supports subagent events; assumed if it sends no version. Raises Problem."""
    if version is None:
        return True
    if (read := _VERSION.fullmatch(version)) is None:
        hint = "Name the version of @ag-ui/client, as in v=0.0.58, or leave it out."
        raise Problem("bad_request", f"v={version} is not a version number.", hint=hint, param="v")
    return tuple(int(number or 0) for number in read.groups()) >= _SUBAGENTS_SINCE
