"""What Prometheus may know: how much, how long, how it ended. No words, no names of people, no scopes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ragbot.server.recent import Recent
from ragbot.server.work import Work

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one server."""

    def __init__(self, work: Work) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self.requests = Counter(
            "ragbot_requests", "Requests by route and outcome", ["route", "method", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "ragbot_request_seconds", "Time to the last byte", ["route"], buckets=SECONDS, registry=self._registry
        )
        self.first_words = Histogram(
            "ragbot_first_words_seconds", "Time to the first words of an answer", buckets=SECONDS, registry=self._registry
        )
        self.answers = Counter("ragbot_answers", "Answers by how they ended", ["outcome"], registry=self._registry)
        self._registry.register(_Queues(work))
        self.recent = Recent(self._registry)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Queues(Collector):
    """How much waits and runs, looked at when it is asked for."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def collect(self) -> list[GaugeMetricFamily]:
        """Two numbers of each queue."""
        waiting = GaugeMetricFamily("ragbot_waiting", "Requests that wait for their turn", labels=["queue"])
        running = GaugeMetricFamily("ragbot_running", "Requests that are worked on", labels=["queue"])
        for name, queue in self._work.queues.items():
            waiting.add_metric([name], queue.waiting)
            running.add_metric([name], queue.running)
        return [waiting, running]
