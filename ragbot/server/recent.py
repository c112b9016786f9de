"""How the server did in the last hour, for small plots: numbers alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client import CollectorRegistry

EVERY_S, KEPT = 15.0, 240
WIDTH, HEIGHT = 240, 48


@dataclass(frozen=True, slots=True)
class Plot:
    """A line to draw: its points in a box of WIDTH and HEIGHT, the last value and the largest one."""

    name: str
    points: str
    last: float
    most: float


class Recent:
    """Samples of a registry of metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._samples: deque[dict[str, float]] = deque(maxlen=KEPT)

    async def keep_noting(self) -> None:
        """Take a sample again and again, until it is cancelled."""
        while True:
            self.note()
            await asyncio.sleep(EVERY_S)

    def note(self) -> None:
        """Take a sample."""
        totals = dict.fromkeys(("requests", "answers", "seconds"), 0.0)
        names = {"ragbot_requests_total": "requests", "ragbot_answers_total": "answers", "ragbot_request_seconds_sum": "seconds"}
        for family in self._registry.collect():
            for sample in family.samples:
                if sample.name in names:
                    totals[names[sample.name]] += sample.value
        memory = self._registry.get_sample_value("process_resident_memory_bytes") or 0.0
        self._samples.append({**totals, "memory": memory / 1e6})

    def plots(self) -> list[Plot]:
        """Requests and answers a minute, milliseconds a request, and memory in MB."""
        self.note()
        steps = list(pairwise(self._samples))
        a_minute = 60 / EVERY_S
        ways: dict[str, Callable[[dict[str, float], dict[str, float]], float]] = {
            "requests": lambda a, b: (b["requests"] - a["requests"]) * a_minute,
            "answers": lambda a, b: (b["answers"] - a["answers"]) * a_minute,
            "latency": lambda a, b: 1000 * (b["seconds"] - a["seconds"]) / max(1.0, b["requests"] - a["requests"]),
            "memory": lambda _, b: b["memory"],
        }
        return [_plot(name, [way(*step) for step in steps] or [0.0]) for name, way in ways.items()]


def _plot(name: str, values: list[float]) -> Plot:
    most = max(values) or 1.0
    across = WIDTH / max(1, len(values) - 1)
    points = " ".join(f"{at * across:.1f},{HEIGHT - 2 - value / most * (HEIGHT - 4):.1f}" for at, value in enumerate(values))
    return Plot(name, points, values[-1], max(values))
