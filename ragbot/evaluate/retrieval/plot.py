"""Draw a run as a figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from ragbot.errors import InputError, RagbotError
from ragbot.evaluate.retrieval.runs import Run, groups
from ragbot.types import Part

FORMATS = (".png", ".svg", ".pdf")
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
"""Distinguishable for the colour-blind (Okabe and Ito 2008)."""
COLOURS: Mapping[Part, str] = dict(zip(get_args(Part), PALETTE, strict=True))


def need_drawable(file: Path) -> None:
    """Raise InputError if the suffix is not in FORMATS, RagbotError if matplotlib is not installed."""
    if file.suffix.lower() not in FORMATS:
        raise InputError(f"{file}: is not an image format that can be written; use a name that ends in {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as cause:
        raise RagbotError(f"matplotlib is missing ({cause}); pip install 'ragbot[eval]'") from cause


def draw(run: Run, file: Path) -> None:
    """Draw a bar for each measure and part, with its interval, to a PNG, SVG or PDF file."""
    need_drawable(file)
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figures, width = groups(run)[0].figures, 0.8 / len(run.parts)
    names = list(run.parts[0].values)
    figure = Figure(figsize=(1.6 + 1.6 * len(names), 4.5), layout="constrained")
    axes = figure.add_subplot()
    for number, one in enumerate(run.parts):
        found = [figures[one.part][name] for name in names]
        means = [estimate.mean for estimate in found]
        reach = [[max(0.0, e.mean - e.low) for e in found], [max(0.0, e.high - e.mean) for e in found]]
        places = [at + (number - (len(run.parts) - 1) / 2) * width for at in range(len(names))]
        label = f"{one.part} ({one.latency_ms(50):.0f} ms)"
        axes.bar(places, means, width, yerr=reach, capsize=2, color=COLOURS[one.part], label=label)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("mean, with 95% interval")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.set_title(f"{run.set}, {len(run.questions):,} questions, {run.model}", fontsize=10)
    figure.legend(loc="outside lower center", ncols=len(run.parts), title="part (median latency)", fontsize=8, title_fontsize=8)
    figure.savefig(file, dpi=150)
