"""The engine's figures for Prometheus, read at each scrape from the frozen `statistics()` of its parts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from actors.journal import JournalStatistics
from transport.http.services import HttpServices, Readiness


class EngineCollector(Collector):
    def __init__(self, services: HttpServices) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        store = self._services.store()
        works = store is None or store.failure is None
        ready = self._services.readiness() is Readiness.READY and works
        yield _gauge("ready", "1 while the engine takes work.", ready)
        if store is not None:
            yield from _store(store)
        yield from self._channels()
        yield from self._tasks()
        yield from self._connections()
        yield from self._listener()
        yield from self._reports()

    def describe(self) -> list[Metric]:
        """Nothing: the names are fixed, and to find them by collecting would read the parts before they run."""
        return []

    def _channels(self) -> Iterator[Metric]:
        figures = self._services.router.channels.statistics()
        topics = GaugeMetricFamily("callboard_topics", "Topics with a log, by whether an actor runs.", labels=["state"])
        topics.add_metric(["live"], figures.live)
        topics.add_metric(["shelved"], figures.shelved)
        yield topics
        yield _gauge("subscriptions", "Cursors into topics.", figures.subscriptions)
        yield _gauge("followers", "Connections that follow a whole channel.", figures.followers)
        yield _gauge("retained_bytes", "Events kept in logs, in bytes.", figures.retained_bytes)
        yield _counter("events", "Events appended to logs.", figures.events)

    def _tasks(self) -> Iterator[Metric]:
        figures = self._services.router.tasks.statistics()
        yield _gauge("tasks_running", "Tasks that have not ended.", figures.running)
        yield _gauge("tasks_kept", "Ended tasks that can be read.", figures.ended)
        yield _counter("tasks_started", "Tasks started.", figures.started_total)
        ended = CounterMetricFamily("callboard_tasks_ended", "Tasks ended, by state.", labels=["state"])
        for state, count in figures.ended_total.items():
            ended.add_metric([state.value], count)
        yield ended
        yield _gauge("sessions", "Conversations kept.", len(self._services.router.sessions))

    def _connections(self) -> Iterator[Metric]:
        figures = self._services.connections.statistics()
        yield _gauge("connections_open", "Clients connected.", figures.open)
        yield _gauge("connections_authenticated", "Clients that have a user.", figures.authenticated)
        yield _gauge("connections_lagging", "Clients that read more slowly than events come.", figures.lagging)
        yield _counter("connections_opened", "Clients that have connected.", figures.opened_total)
        closed = CounterMetricFamily(
            "callboard_connections_given_up", "Clients disconnected by the engine, by reason.", labels=["reason"]
        )
        closed.add_metric(["replaced"], figures.replaced_total)
        closed.add_metric(["silent"], figures.silent_total)
        closed.add_metric(["expired"], figures.expired_total)
        yield closed

    def _listener(self) -> Iterator[Metric]:
        figures = self._services.listener.statistics()
        yield _gauge("sockets_open", "TCP connections open.", figures.open)
        yield _counter("sockets_accepted", "TCP connections accepted.", figures.accepted)
        yield _counter("sockets_refused", "TCP connections refused over the limit.", figures.refused)
        yield _counter("accept_errors", "Times that no file descriptor or memory was left.", figures.accept_errors)
        yield _counter("handshake_failures", "TLS handshakes that failed.", figures.handshake_failures)
        yield _counter("sockets_crashed", "TCP connections ended by an error of the engine.", figures.crashed)
        heads = CounterMetricFamily("callboard_bad_heads", "Request heads refused, by fault.", labels=["fault"])
        for fault, count in figures.bad_heads.items():
            heads.add_metric([fault], count)
        yield heads

    def _reports(self) -> Iterator[Metric]:
        reports = CounterMetricFamily("callboard_reports", "Troubles that actors have reported.", labels=["kind"])
        for kind, count in self._services.reports().items():
            reports.add_metric([kind], count)
        yield reports


def _store(figures: JournalStatistics) -> Iterator[Metric]:
    yield _gauge("store_failing", "1 while nothing can be kept.", figures.failure is not None)
    yield _gauge("store_waiting", "Events and records that wait to be kept, by entries.", figures.waiting)
    yield _counter("store_commits", "Commits.", figures.commits)
    yield _counter("store_events", "Events kept.", figures.events)
    yield _counter("store_failures", "Commits refused.", figures.failures)
    yield _gauge("store_last_commit_seconds", "How long the last commit took.", figures.last_commit_seconds)


class Metrics:
    """Its own registry: nothing is global, and two engines in one process do not meet."""

    def __init__(self, services: HttpServices) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(EngineCollector(services))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"callboard_{name}", meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"callboard_{name}", meaning, value=value)
