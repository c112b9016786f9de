"""Render a run of answers as a text table and as a figure."""

from __future__ import annotations

from pathlib import Path

from ragbot.evaluate.answers import figures
from ragbot.evaluate.answers.runner import AnswerRun
from ragbot.evaluate.report import columns, estimated, one_line, shortened
from ragbot.evaluate.retrieval.plot import PALETTE, need_drawable


def table(run: AnswerRun) -> str:
    """The measures of a run: all questions, then each category."""
    left_out = f" ({run.left_out:,} left out: they ask nothing)" if run.left_out else ""
    refused = f" ({run.refused:,} refused: without words)" if run.refused else ""
    drawn = f", drawn with seed {run.seed}" if run.limit is not None else ""
    head = f"{run.set}: {run.documents:,} documents{refused}, {len(run.questions):,} questions{drawn}{left_out}"
    parts = [f"{head}; {run.generator}, reader {run.reader}, persona {run.persona}, {run.model}, ragbot {run.version}"]
    by_system = {system: figures.figures(run, system) for system in run.replies}
    groups = next(iter(by_system.values()))
    for at, group in enumerate(groups):
        name = (
            f"{one_line(group.name)} ({group.questions:,} question{'s' if group.questions != 1 else ''})\n" if group.name else ""
        )
        found = {system: figures[at].values for system, figures in by_system.items()}
        rows = [["", "of", *found]]
        for measure in figures.MEASURES:
            here = {system: values[measure] for system, values in found.items() if measure in values}
            if here:
                many = "/".join(dict.fromkeys(str(n) for n, _ in here.values()))
                rows.append([measure, many, *(estimated(here[s][1]) if s in here else "" for s in found)])
        parts.append(name + "\n".join(columns(rows if group.name else rows + _more(run))))
    return "\n\n".join(parts)


def _more(run: AnswerRun) -> list[list[str]]:
    """Further rows: latency, mean risk over coverage, and calibration error."""
    rows = list[list[str]]()
    taken = {system: figures.latency(run, system) for system in run.replies}
    for name in next(iter(taken.values())):
        rows.append([name.replace("_", " "), "", *(f"{of[name]:.0f}" for of in taken.values())])
    refused = {system: figures.refusing(run, system) for system in run.replies}
    for name, label in (("area", "risk over coverage"), ("calibration_error", "calibration error")):
        rows.append([label, "", *(shortened(getattr(one, name)) if one else "" for one in refused.values())])
    return rows


def draw(run: AnswerRun, file: Path) -> None:
    """Draw bars for each measure with its interval, and the risk-coverage curve, to a PNG, SVG or PDF file."""
    need_drawable(file)
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(13, 4.8), layout="constrained")
    bars, curve = figure.subplots(1, 2, width_ratios=[2, 1])
    by_system = {system: figures.figures(run, system)[0].values for system in run.replies}
    names = [name for name in figures.MEASURES if name != "words" and any(name in of for of in by_system.values())]
    width = 0.8 / len(by_system)
    for number, (system, of) in enumerate(by_system.items()):
        at = [place for place, name in enumerate(names) if name in of]
        found = [of[names[place]][1] for place in at]
        reach = [[max(0.0, e.mean - e.low) for e in found], [max(0.0, e.high - e.mean) for e in found]]
        places = [place + (number - (len(by_system) - 1) / 2) * width for place in at]
        bars.bar(places, [e.mean for e in found], width, yerr=reach, capsize=2, color=PALETTE[number], label=system)
        if refused := figures.refusing(run, system):
            curve.plot(refused.coverage, refused.risk, color=PALETTE[number], label=system)
    bars.set_xticks(range(len(names)), names, rotation=30, ha="right")
    bars.set_ylabel("mean, with 95% interval")
    curve.set_xlabel("coverage: share of questions answered, by confidence")
    curve.set_ylabel("risk: share of these that is wrong")
    curve.set_xlim(0, 1)
    for axes in (bars, curve):
        axes.set_ylim(0, 1.05)
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    bars.legend(fontsize=8)
    figure.suptitle(f"{run.set}, {len(run.questions):,} questions, {run.generator}", fontsize=10)
    figure.savefig(file, dpi=150)
