"""The file of a campaign, and the trials that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tierhost.drills.campaign.plan import BadCampaign, Campaign, Shard, Trial, load, parse

if TYPE_CHECKING:
    from pathlib import Path

PLAN = {"drills": ["a", "b"], "seeds": [5, 7], "repetitions": 2}


def test_drills_times_seeds_times_repetitions() -> None:
    trials = parse(PLAN, "plan").trials()
    assert len(trials) == 8
    assert trials[:3] == [Trial(0, "a", 5, 0), Trial(1, "b", 5, 0), Trial(2, "a", 7, 0)]
    assert len({(trial.drill, trial.seed, trial.repetition) for trial in trials}) == 8


def test_shards_share_the_trials_out_and_each_is_in_one() -> None:
    campaign = parse(PLAN, "plan")
    shares = [campaign.trials(Shard(index, 3)) for index in range(3)]
    assert sorted(trial.number for share in shares for trial in share) == list(range(8))


@pytest.mark.parametrize("text", ["", "3", "3/3", "-1/3", "a/b", "1/0", "1/2/3"])
def test_a_shard_is_one_of_so_many(text: str) -> None:
    with pytest.raises(BadCampaign, match="no shard"):
        Shard.parse(text)
    assert Shard.parse("2/3") == Shard(2, 3)


def test_seeds_may_be_counted() -> None:
    assert parse({"drills": ["a"], "seeds": {"first": 3, "count": 2}}, "plan").seeds == (3, 4)


def test_the_command_is_filled_in_and_a_word_stays_a_word() -> None:
    campaign = Campaign("", ("a b",), (5,), command=("run", "{drill}", "--seed={seed}", "{repetition}", "{other}"))
    assert campaign.argv(Trial(0, "a b", 5, 1)) == ["run", "a b", "--seed=5", "1", "{other}"]


def test_plans_that_mean_other_trials_are_told_apart() -> None:
    first = parse(PLAN, "plan")
    assert first.digest() == parse(PLAN | {"title": "another"}, "plan").digest()
    assert first.digest() != parse(PLAN | {"seeds": [5]}, "plan").digest()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"drils": []}, "unknown key 'drils'"),
        ({"drills": []}, "'drills' is"),
        ({"drills": "a"}, "'drills' is"),
        ({"drills": [1]}, "'drills' holds 1"),
        ({"seeds": [1, 1]}, "a seed twice"),
        ({"seeds": [-1]}, "'seeds' holds -1"),
        ({"seeds": {"first": 1}}, "other keys"),
        ({"seeds": {"first": 1, "count": 10**9}}, "the limit is"),
        ({"repetitions": 0}, "'repetitions' holds 0"),
        ({"limit_s": 0}, "'limit_s' is 0"),
        ({"limit_s": True}, "'limit_s' is True"),
        ({"command": []}, "'command' is"),
    ],
)
def test_a_mistake_is_named(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BadCampaign, match=told) as caught:
        parse(PLAN | changed, "plan.toml")
    assert caught.value.subject == "plan.toml"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadCampaign, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(BadCampaign, match="is no TOML"):
        load(tmp_path / "bad.toml")
