"""The supervision tree, on one page.

    engine (rest_for_one)
    ├── store         permanent             keeps events and records, in groups, before anyone sees them
    ├── upkeep        permanent             keeps the store's file in order
    ├── channels      dynamic, transient    one actor per live topic
    ├── feeds         dynamic, transient    one per topic that is derived from others
    ├── sessions      dynamic, transient    one per conversation in use
    ├── timers        permanent             wakes the agents that sleep for a moment
    ├── tasks         dynamic, temporary    one per run of an agent
    ├── connections   crowd, temporary      one per accepted connection that has to wait, and its writer while it lags
    ├── poller        permanent             waits for the connections that are idle
    ├── retention     permanent             says what the store is not to keep any longer
    ├── rounds        permanent             heartbeats, expiry, idle topics, figures, alerts
    ├── http          permanent             the application behind Hypercorn, and its lifespan
    ├── listener      permanent             the one port
    └── compactor     permanent             takes out of tasks that ended a while ago what their snapshots hold

They start in this order and stop in reverse, so that whoever uses a part ends before it.
"""

from __future__ import annotations

from actors.childspec import ChildSpec, Strategy
from actors.supervisor import Supervisor
from engine.core import Core
from engine.front import Front
from engine.rounds import Rounds


def make_tree(core: Core, front: Front, rounds: Rounds) -> Supervisor:
    """The engine's root. Cancelled or stopped it stops everything in order."""
    store: list[ChildSpec] = []
    retention: list[ChildSpec] = []
    if core.keeping is not None:
        store.append(ChildSpec("store", core.keeping.journal.run, stop_deadline=10.0))
    if core.upkeep is not None:
        store.append(ChildSpec("upkeep", core.upkeep.run))
    if core.retainer is not None:
        retention.append(ChildSpec("retention", core.retainer.run))
    compactor = [] if core.compactor is None else [ChildSpec("compactor", core.compactor.run)]
    children = [
        *store,
        core.channel_actors.as_child(),
        core.feed_actors.as_child(),
        core.session_actors.as_child(),
        ChildSpec("timers", core.timers.run),
        core.task_actors.as_child(),
        core.connection_actors.as_child(),
        ChildSpec("poller", front.poller.run),
        *retention,
        ChildSpec("rounds", rounds.run),
        ChildSpec("http", front.http.run, start_deadline=15.0, stop_deadline=15.0),
        ChildSpec("listener", front.listener.run),
        *compactor,
    ]
    return Supervisor("engine", children, reporter=core.reporter, strategy=Strategy.REST_FOR_ONE)
