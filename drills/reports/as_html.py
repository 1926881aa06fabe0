"""A report as one HTML file that needs nothing else: verdict, timelines, blast radius, distributions, how to replay it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tierhost import __version__
from tierhost.drills.reports.blast import HUNG, NEVER, REFUSED, SLOWED, UNHARMED, matrix
from tierhost.drills.reports.curves import curve, duration
from tierhost.drills.reports.figures import counts_of, series_of
from tierhost.drills.reports.markup import Markup, table, tag
from tierhost.drills.reports.page_style import STYLE
from tierhost.drills.reports.timeline import timeline

if TYPE_CHECKING:
    from tierhost.drills.reports.blast import Cell
    from tierhost.drills.reports.figures import Count, Series
    from tierhost.drills.reports.results import Run, Trial
    from tierhost.drills.statistics import Estimate
    from tierhost.drills.verdicts import Finding, Verdict

BYTES_MAX: Final = 1_000_000
TIMELINES_MAX: Final = 4
FINDINGS_TRIALS_MAX: Final = 12
FAILED_CALLS_MAX: Final = 200
EVIDENCE_CHARS_MAX: Final = 600

SIGNS: Final = {"HELD": "\N{HEAVY CHECK MARK}", "UNKNOWN": "?", "BROKEN": "\N{HEAVY BALLOT X}"}
EFFECTS: Final = {
    UNHARMED: ("HELD", "\N{HEAVY CHECK MARK}"),
    SLOWED: ("UNKNOWN", "\N{HOURGLASS}\N{VARIATION SELECTOR-15}"),
    REFUSED: ("UNKNOWN", "!"),
    HUNG: ("BROKEN", "\N{HEAVY BALLOT X}"),
    NEVER: ("", ""),
}


def render(run: Run) -> str:
    """The file's text, below a megabyte: fewer timelines if there must be."""
    text = _page(run, TIMELINES_MAX)
    timelines = TIMELINES_MAX
    while len(text.encode()) >= BYTES_MAX and timelines:
        timelines -= 1
        text = _page(run, timelines)
    return text


def _page(run: Run, timelines: int) -> str:
    title = f"{run.verdict.name}: {run.drill.name}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    body = tag("body", tag("main", [*_top(run), *_findings(run), *_timelines(run, timelines), *_blast(run), *_figures(run)]))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def badge(verdict: Verdict, *, large: bool = False) -> Markup:
    """A verdict, as a sign, a word and a colour."""
    return tag("span", f"{SIGNS[verdict.name]} {verdict.name}", class_=f"badge {verdict.name}" + (" large" if large else ""))


def _top(run: Run) -> list[Markup]:
    histories = [trial.history for trial in run.trials]
    seeds = sorted({history.seed for history in histories})
    facts = {
        "target": ", ".join(sorted({history.target for history in histories})) or "none",
        "runs": f"{len(run.trials)}, and {len(run.control)} without faults beside them",
        "seeds": ", ".join(map(str, seeds[:12])) + (" \N{HORIZONTAL ELLIPSIS}" if len(seeds) > 12 else ""),  # noqa: PLR2004
        "faults": "; ".join(f"{fault.kind} of {fault.target}" for fault in run.drill.faults) or "none",
        "took": duration(sum(history.ended_s - history.began_s for history in histories)),
        "tierhost": __version__,
    }
    told = tag("dl", [part for name, value in facts.items() for part in (tag("dt", name), tag("dd", value))])
    first = tag("div", tag("h1", run.drill.title), tag("p", tag("code", run.drill.name)), tag("p", f"Proves: {run.drill.proves}"))
    notes = [tag("p", note, class_="soft") for note in run.notes]
    return [
        tag("header", tag("div", first, badge(run.verdict, large=True), class_="top"), told, notes),
        tag("h2", "See it again"),
        tag("pre", tag("code", run.command)),
    ]


def _findings(run: Run) -> list[Markup]:
    whole = [tag("h2", "What the judges say")]
    if len(run.trials) > 1:
        whole.append(_counted(run))
    shown = [trial for trial in run.by_verdict() if trial.verdict.name != "HELD" or len(run.trials) == 1][:FINDINGS_TRIALS_MAX]
    for number, trial in enumerate(shown):
        rows = [
            (finding.checker.replace("_", " "), badge(finding.verdict), _words(finding))
            for finding in sorted(trial.findings, key=lambda each: -each.verdict)
        ]
        name = f"{len(rows)} judges, seed {trial.history.seed}"
        told = table(name, ("promise", "verdict", "why"), rows, class_="prose")
        if len(run.trials) == 1:
            whole.append(told)
        else:
            whole.append(tag("details", tag("summary", f"{trial.verdict.name}: {name}"), told, open="" if number == 0 else None))
    left = sum(trial.verdict.name != "HELD" for trial in run.trials) - len(shown)
    if left > 0:
        whole.append(tag("p", f"{left} more runs that did not hold are in the JSON report.", class_="soft"))
    return whole


def _counted(run: Run) -> Markup:
    """Over all runs: what each judge said how often, and its worst words."""
    said: dict[str, list[Finding]] = {}
    for trial in run.trials:
        for finding in trial.findings:
            said.setdefault(finding.checker, []).append(finding)
    rows = []
    for checker, findings in sorted(said.items(), key=lambda item: -max(finding.verdict for finding in item[1])):
        counts = [str(sum(finding.verdict.name == name for finding in findings)) for name in SIGNS]
        gravest = max(findings, key=lambda finding: finding.verdict)
        rows.append((checker.replace("_", " "), badge(gravest.verdict), *counts, gravest.text))
    return table(
        f"All {len(run.trials)} runs", ("promise", "worst", "held", "unknown", "broken", "its words"), rows, class_="prose"
    )


def _words(finding: Finding) -> Markup:
    if not finding.evidence:
        return tag("div", finding.text)
    lines = [tag("li", line[:EVIDENCE_CHARS_MAX]) for line in finding.evidence]
    # What convicts is to be seen at once; what acquits can be asked for.
    opened = "" if finding.verdict.name == "BROKEN" else None
    return tag("div", finding.text, tag("details", tag("summary", "evidence"), tag("ul", lines), open=opened))


def _timelines(run: Run, count: int) -> list[Markup]:
    whole = [tag("h2", "What happened when")]
    for number, trial in enumerate(run.by_verdict()[:count]):
        name = f"{trial.verdict.name}, seed {trial.history.seed}"
        drawing = tag("div", tag("div", timeline(trial.history, f"run{number}"), class_="drawing"), class_="wide", tabindex="0")
        parts = [drawing, _strikes(trial), *_failed(trial)]
        if len(run.trials) > 1:
            whole.append(tag("details", tag("summary", name), parts, open="" if number == 0 else None))
        else:
            whole += parts
    if len(run.trials) > count:
        whole.append(
            tag("p", f"The worst {count} of {len(run.trials)} runs are drawn; the trace file has them all.", class_="soft")
        )
    return whole


def _strikes(trial: Trial) -> Markup:
    began_s = trial.history.began_s
    rows = []
    for strike in trial.history.strikes:
        fired = "never" if strike.fired_s is None else f"{strike.fired_s - began_s:.3f} s"
        healed = "-" if strike.healed_s is None else f"{strike.healed_s - began_s:.3f} s"
        rows.append((f"{strike.number}: {strike.kind} of {strike.target}", strike.point, fired, healed, strike.proof))
    if not rows:
        return tag("p", "No fault was planned: a control run.", class_="soft")
    return table(
        "Faults: where they were aimed, and how we know that they struck", ("fault", "at", "fired", "healed", "proof"), rows
    )


def _failed(trial: Trial) -> list[Markup]:
    began_s = trial.history.began_s
    failed = [call for call in trial.history.calls if call.outcome != "answered"]
    if not failed:
        return [tag("p", f"All {len(trial.history.calls)} calls were answered.", class_="soft")]
    rows = []
    for call in failed[:FAILED_CALLS_MAX]:
        took = "never came back" if call.end_s is None else duration(call.end_s - call.begin_s)
        rows.append((call.method, f"{call.begin_s - began_s:.3f} s", took, call.outcome, call.kind, call.text[:200]))
    heads = ("call", "made at", "took", "outcome", "error", "its words")
    summary = f"{len(failed)} of {len(trial.history.calls)} calls were not answered"
    return [tag("details", tag("summary", summary), table(summary, heads, rows))]


def _blast(run: Run) -> list[Markup]:
    whole = matrix(run.trials)
    if not whole.faults:
        return []
    rows = [(operation, *(_cell(whole.cell(operation, fault)) for fault in whole.faults)) for operation in whole.operations]
    told = "Each operation under each fault: the worst that happened to it, over all runs"
    return [tag("h2", "Blast radius"), table(told, ("operation", *whole.faults), rows)]


def _cell(cell: Cell) -> Markup:
    look, sign = EFFECTS[cell.word]
    if not cell.calls:
        return tag("span", cell.word, class_="soft")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(cell.kinds.items()))
    rest = f"{cell.calls} calls, slowest {duration(cell.slowest_s)}" + (f"; {kinds}" if kinds else "")
    return tag("div", tag("span", f"{sign} {cell.word}", class_=f"badge {look}"), tag("div", rest, class_="soft"))


def _figures(run: Run) -> list[Markup]:
    whole = [tag("h2", "Figures")]
    rows = [(count.title, str(count.told), *([_beside(count)] if run.other else [])) for count in counts_of(run)]
    if rows:
        heads = ("what", "how many", *(["beside"] if run.other else []))
        whole.append(table("Shares, with what they are worth", heads, rows))
    for number, series in enumerate(series_of(run)):
        drawing = tag("div", tag("div", curve(series, f"curve{number}"), class_="drawing small"), class_="wide", tabindex="0")
        whole += [tag("h3", series.title), drawing, _table_of(series)]
    return whole


def _beside(count: Count) -> str:
    if count.beside is None:
        return ""
    return f"{count.beside_name}: {count.beside}" + (f"; p = {count.compared.p_value:.3g}" if count.compared else "")


def _table_of(series: Series) -> Markup:
    sets = [("this run", series.told), (series.beside_name, series.beside_told)]
    rows = [
        (name, str(told.n), str(told.never), _figure(told.p50), _figure(told.p95), _figure(told.p99), duration(told.largest))
        for name, told in sets
        if told is not None
    ]
    heads = ("set", "n", "never", "p50 (95 % interval)", "p95 (95 % interval)", "p99 (95 % interval)", "largest")
    told = table(f"{series.title}: quantiles", heads, rows)
    if series.compared is None:
        return told
    difference, word = (
        series.compared.difference,
        "differ" if series.compared.differs else "do not differ more than chance allows",
    )
    sentence = (
        f"The middle of {series.beside_name} is {duration(difference.value)} from this one's "
        f"({duration(difference.low)} to {duration(difference.high)}), p = {series.compared.p_value:.3g}: the two {word}."
    )
    return tag("div", told, tag("p", sentence))


def _figure(estimate: Estimate) -> str:
    return f"{duration(estimate.value)} ({duration(estimate.low)} to {duration(estimate.high)})"
