"""The figures of the WebSocket clients at `/ws/agent`."""

from __future__ import annotations

from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.roster import Roster, RosterStatistics


class WebSocketStatisticsApi:
    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def statistics(self, call: Call[Nothing, Nothing]) -> Answer[RosterStatistics]:
        return Answer(self._roster.statistics(call.principal))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="GET",
                path="/ws/statistics",
                handler=self.statistics,
                tag="operations",
                summary="Read who is connected at /ws/agent: all figures, and the connections that you may see",
                body=Nothing,
                query=Nothing,
                answer=RosterStatistics,
            )
        ]
