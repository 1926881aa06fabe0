"""A report as JUnit XML: one test case for each judge and run, so that every CI server shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tierhost.drills.reports.markup import clean
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    from tierhost.drills.reports.results import Run, Trial
    from tierhost.drills.verdicts import Finding


def render(run: Run) -> str:
    """The file's text. BROKEN is a failure, UNKNOWN an error: neither is a pass."""
    findings = [finding for trial in run.trials for finding in trial.findings]
    totals = {
        "tests": str(len(findings)),
        "failures": str(sum(finding.verdict is Verdict.BROKEN for finding in findings)),
        "errors": str(sum(finding.verdict is Verdict.UNKNOWN for finding in findings)),
    }
    took_s = sum(trial.history.ended_s - trial.history.began_s for trial in run.trials)
    whole = ET.Element("testsuites", {"name": clean(run.drill.name), "time": f"{took_s:.3f}", **totals})
    for trial in run.trials:
        whole.append(_suite(run, trial))
    ET.indent(whole)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(whole, encoding="unicode") + "\n"


def _suite(run: Run, trial: Trial) -> ET.Element:
    history = trial.history
    suite = ET.Element(
        "testsuite",
        name=clean(f"{run.drill.name} seed {history.seed}"),
        tests=str(len(trial.findings)),
        failures=str(sum(finding.verdict is Verdict.BROKEN for finding in trial.findings)),
        errors=str(sum(finding.verdict is Verdict.UNKNOWN for finding in trial.findings)),
        time=f"{history.ended_s - history.began_s:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    schedule = "; ".join(f"{strike.kind} of {strike.target} at {strike.point}" for strike in history.strikes)
    told = {"seed": str(history.seed), "target": history.target, "schedule": schedule, "replay": run.command}
    for name, value in told.items():
        ET.SubElement(properties, "property", name=name, value=clean(value))
    for finding in trial.findings:
        suite.append(_case(run, finding))
    return suite


def _case(run: Run, finding: Finding) -> ET.Element:
    case = ET.Element("testcase", classname=clean(run.drill.name), name=clean(finding.checker), time="0")
    evidence = clean("\n".join(finding.evidence))
    if finding.verdict is Verdict.HELD:
        ET.SubElement(case, "system-out").text = clean(finding.text)
        return case
    tag = "failure" if finding.verdict is Verdict.BROKEN else "error"
    ET.SubElement(case, tag, type=finding.verdict.name, message=clean(finding.text)).text = evidence
    return case
