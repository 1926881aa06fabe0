"""runs many trials of many drills, here or on a cluster; resumable, sharded, one report of all; exit code 0, 1 or 3."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tierhost.drills.campaign.engines import engine
from tierhost.drills.campaign.plan import BadCampaign, Campaign, Shard, load
from tierhost.drills.campaign.results import Results, Row, read
from tierhost.drills.campaign.running import run_missing
from tierhost.drills.campaign.summary import Summary, summarize
from tierhost.drills.cli import EXIT_OF
from tierhost.drills.counts import count
from tierhost.drills.verdicts import Verdict

if TYPE_CHECKING:
    import argparse

    from tierhost.drills.campaign.results import Attempt
    from tierhost.drills.campaign.trial import Ended

COLUMNS: Final = ("drill", "trials", "held", "broken", "unknown", "missing", "attempts", "cut_short", "p50_s", "p95_s")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="the campaign's file: drills, seeds, repetitions (TOML)")
    parser.add_argument("--engine", default="local", metavar="WHERE", help="local (default), or dask://HOST:PORT")
    parser.add_argument("--jobs", type=count(), default=os.cpu_count() or 1, metavar="N", help="so many at a time, if local")
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="run each N-th trial from the I-th on, from 0 (array jobs)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file of results (default: results.sqlite beside the plan)")
    parser.add_argument("--resume", action="store_true", help="run only what the file of results lacks")
    parser.add_argument("--attempts", type=count(), default=2, metavar="N", help="begin what is cut short so often (default: 2)")
    parser.add_argument("--merge", type=Path, nargs="+", metavar="FILE", help="run nothing: report on these files of results")
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(arguments: argparse.Namespace) -> int:
    """Run it. What is given out is the verdict on all trials: one that is missing or unknown is no success."""
    campaign, shard = load(arguments.plan), Shard.parse(arguments.shard)
    if arguments.attempts < 1:
        raise BadCampaign("a trial is begun once or more", subject="--attempts")
    trials = campaign.trials(shard)
    rows = [row for path in arguments.merge for row in read(path)] if arguments.merge else _run(arguments, campaign, shard)
    summary = summarize(campaign, trials, rows)
    if arguments.format == "json":
        print(json.dumps(summary.told(), indent=2))
    else:
        _table(summary)
    return EXIT_OF[Verdict[summary.verdict]]


def _run(arguments: argparse.Namespace, campaign: Campaign, shard: Shard) -> list[Row]:
    out = arguments.out or arguments.plan.with_name("results.sqlite")
    text = arguments.format == "text"

    def tell(attempt: Attempt, ended: Ended) -> None:
        if text:
            trial = attempt.trial
            again = f", attempt {attempt.number}" if attempt.number > 1 else ""
            print(f"{trial.number} {trial.drill} seed {trial.seed}{again}: {ended.outcome}, {ended.verdict}", flush=True)

    with Results.use(out, campaign, resume=arguments.resume) as results:
        trials = campaign.trials(shard)
        if results.missing(trials):
            with engine(arguments.engine, arguments.jobs) as where:
                run_missing(campaign, trials, results, where, arguments.attempts, tell)
        return results.rows()


def _table(summary: Summary) -> None:
    lines = [*summary.lines, summary.total] if len(summary.lines) > 1 else summary.lines
    table = [COLUMNS, *(tuple(str(getattr(line, name)) for name in COLUMNS) for line in lines)]
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    print()
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
    for one in summary.not_held:
        print(f"{one['verdict']} ({one['outcome']}, {one['attempts']} attempts): {shlex.join(one['command'])}")
        print(*(f"  {line}" for line in one["text"].splitlines()[-3:]), sep="\n" if one["text"] else "")
    share = f"broken in at most {summary.total.broken_at_most:.1%} of trials (95 % confidence)"
    print(f"{summary.title}: {summary.verdict}; {share}")
