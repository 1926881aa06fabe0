"""Campaigns: what is begun is counted, what is cut short is run again, and nothing of a trial outlives it."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.integration.drills.campaigns import CampaignOfSleeps
from tests.waiting import until
from tierhost.drills.campaign.engines import NoEngine, engine
from tierhost.drills.campaign.plan import BadCampaign
from tierhost.drills.campaign.trial import CUT_SHORT, DONE, HELD, OVERDUE, UNKNOWN, Leashes, run_trial

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_each_trial_runs_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, trials=4, sleep_s=0.05)
    summary = campaign.run("--jobs", "2")["summary"]
    assert (summary["verdict"], summary["held"], summary["attempts"], summary["cut_short"]) == (HELD, 4, 4, 0)
    assert Counter(name for name, _, _ in campaign.begun()) == {f"nap-{seed}": 1 for seed in range(4)}
    assert campaign.alive() == []


def test_shards_run_their_own_trials_and_one_report_has_all(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, trials=3, sleep_s=0.0)
    files = [str(tmp_path / f"{index}.sqlite") for index in range(2)]
    first = campaign.run("--shard", "0/2", "--out", files[0])["summary"]
    assert (first["trials"], first["held"]) == (2, 2)
    half = campaign.run("--merge", files[0])["summary"]
    assert (half["verdict"], half["held"], half["missing"]) == (UNKNOWN, 2, 1)
    campaign.run("--shard", "1/2", "--out", files[1])
    whole = campaign.run("--merge", *files)["summary"]
    assert (whole["verdict"], whole["held"], whole["missing"], whole["attempts"]) == (HELD, 3, 0, 3)


def test_a_campaign_that_is_killed_takes_its_trials_with_it_and_goes_on_where_it_was(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, trials=5, sleep_s=0.3)
    with campaign.start("--jobs", "1") as cut:
        until(lambda: len(campaign.begun()) >= 2, "the second trial has begun")
        cut.send_signal(signal.SIGKILL)
        cut.communicate()
    until(lambda: not campaign.alive(), "no process of a trial outlives the campaign")
    began = len(campaign.begun())
    summary = campaign.run("--jobs", "2", "--resume")["summary"]
    assert (summary["verdict"], summary["held"], summary["missing"], summary["twice"]) == (HELD, 5, 0, 0)
    assert summary["cut_short"] >= 1
    assert summary["attempts"] == 5 + summary["cut_short"]
    assert len(campaign.begun()) <= summary["attempts"], "nothing ran that was not written down"
    before = len(campaign.begun())
    assert before > began
    assert campaign.run("--resume")["summary"]["attempts"] == summary["attempts"]
    assert len(campaign.begun()) == before, "nothing was missing, so nothing ran"


def test_a_campaign_that_is_told_to_end_ends_its_trials(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, trials=2, sleep_s=30)
    with campaign.start("--jobs", "2") as told:
        until(lambda: len(campaign.begun()) == 2, "both trials have begun")
        told.send_signal(signal.SIGTERM)
        told.communicate(timeout=20)
    assert campaign.alive() == []


def test_results_are_not_mixed_up(tmp_path: Path) -> None:
    campaign = CampaignOfSleeps(tmp_path, trials=1, sleep_s=0)
    campaign.run()
    with campaign.start() as refused:
        assert "holds results already" in refused.communicate(timeout=20)[1]
    CampaignOfSleeps(tmp_path, trials=2, sleep_s=0)
    with campaign.start("--resume") as refused:
        assert "of another plan" in refused.communicate(timeout=20)[1]


def test_a_trial_that_overruns_is_ended_and_says_nothing() -> None:
    found = run_trial(["bash", "-c", 'echo \'{"verdict": "HELD"}\'; exec sleep 60'], 0.3)
    assert (found.outcome, found.verdict) == (OVERDUE, UNKNOWN)


def test_a_trial_on_a_leash_that_is_cut_ends_and_no_other_begins() -> None:
    leashes = Leashes()
    leashes.cut()
    assert run_trial(["sleep", "60"], 50.0, leashes).outcome == CUT_SHORT


def test_a_command_that_is_not_there_is_no_success() -> None:
    found = run_trial(["/nonexistent/program"], 5.0)
    assert (found.outcome, found.verdict) == (DONE, UNKNOWN)
    assert "No such file" in found.text


def test_an_engine_that_is_none_is_refused() -> None:
    with pytest.raises(BadCampaign, match="no engine 'ray'"), engine("ray", 1):
        pass
    with pytest.raises(BadCampaign, match="0 trials at a time"), engine("local", 0):
        pass
    with pytest.raises(NoEngine), engine("dask://127.0.0.1:1", 1):
        pass
