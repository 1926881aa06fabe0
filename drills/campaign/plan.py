"""The file of a campaign, and the trials that it means."""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tierhost.ipc.errors import Code, TierhostError

if TYPE_CHECKING:
    from pathlib import Path

TRIALS_MAX: Final = 1_000_000
LIMIT_S: Final = 120.0
COMMAND: Final = ("{python}", "-m", "tierhost.drills", "run", "{drill}", "--seed", "{seed}", "--format", "json")
KEYS: Final = frozenset({"title", "drills", "seeds", "repetitions", "limit_s", "command"})


class BadCampaign(TierhostError):
    """Raised when the file of a campaign, or what was said beside it, cannot be used; names the key."""

    code = Code.INVALID_ARG


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one drill. `number` is its place in the whole plan, whatever shard it falls to."""

    number: int
    drill: str
    seed: int
    repetition: int


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the trials: every `of`-th one, beginning with `index`, which counts from 0 as array jobs do."""

    index: int = 0
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "I/N". Raises BadCampaign."""
        index, _, of = text.partition("/")
        if not (index.isdecimal() and of.isdecimal() and int(index) < int(of)):
            raise BadCampaign(f"{text!r} is no shard", subject="--shard", hint="I/N with I from 0 to N-1")
        return cls(int(index), int(of))


@dataclass(frozen=True, slots=True)
class Campaign:
    """Drills x seeds x repetitions, and the command that runs one: its words may hold {python}, {drill}, {seed}, {repetition}."""

    title: str
    drills: tuple[str, ...]
    seeds: tuple[int, ...]
    repetitions: int = 1
    limit_s: float = LIMIT_S
    command: tuple[str, ...] = COMMAND

    def trials(self, shard: Shard | None = None) -> list[Trial]:
        """List the trials of a shard: all drills with the first seed, then all with the next, so that a cut run saw each."""
        wanted = shard or Shard()
        every = (
            (drill, seed, repetition) for repetition in range(self.repetitions) for seed in self.seeds for drill in self.drills
        )
        numbered = (Trial(number, *one) for number, one in enumerate(every))
        return [trial for trial in numbered if trial.number % wanted.of == wanted.index]

    def argv(self, trial: Trial) -> list[str]:
        """Fill the command in for one trial."""
        words = {"{python}": sys.executable, "{drill}": trial.drill, "{seed}": str(trial.seed)}
        words["{repetition}"] = str(trial.repetition)
        return [_filled(word, words) for word in self.command]

    def digest(self) -> str:
        """Return the same for plans that mean the same trials: results of two plans never mix."""
        meant = [self.drills, self.seeds, self.repetitions, self.command, self.limit_s]
        return hashlib.blake2b(json.dumps(meant).encode(), digest_size=16).hexdigest()


def _filled(word: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word


def load(path: Path) -> Campaign:
    """Read the file of a campaign. Raises BadCampaign."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadCampaign(f"cannot be read: {error.strerror}", subject=str(path)) from None
    except ValueError as error:
        raise BadCampaign(f"is no TOML: {error}", subject=str(path)) from None
    return parse(raw, str(path))


def parse(raw: dict[str, Any], subject: str) -> Campaign:
    """Turn the decoded file into a campaign. Raises BadCampaign."""
    unknown = sorted(raw.keys() - KEYS)
    if unknown:
        raise BadCampaign(f"unknown key {unknown[0]!r}", subject=subject, hint=f"the keys are {', '.join(sorted(KEYS))}")
    try:
        campaign = Campaign(
            title=_text(raw.get("title", "campaign"), "title"),
            drills=tuple(_text(name, "drills") for name in _list(raw.get("drills"), "drills")),
            seeds=_seeds(raw.get("seeds", [1])),
            repetitions=_whole(raw.get("repetitions", 1), "repetitions"),
            limit_s=_seconds(raw.get("limit_s", LIMIT_S)),
            command=tuple(_text(word, "command") for word in _list(raw.get("command", list(COMMAND)), "command")),
        )
    except BadCampaign as wrong:
        raise BadCampaign(wrong.text, subject=subject, hint=wrong.hint) from None
    count = len(campaign.drills) * len(campaign.seeds) * campaign.repetitions
    if count > TRIALS_MAX:
        raise BadCampaign(f"{count} trials, the limit is {TRIALS_MAX}", subject=subject, hint="fewer seeds or repetitions")
    return campaign


def _seeds(raw: Any) -> tuple[int, ...]:
    """A list of numbers, or {first, count}."""
    if isinstance(raw, dict):
        if raw.keys() != {"first", "count"}:
            raise BadCampaign("'seeds' has other keys than first and count", hint="seeds = { first = 1, count = 20 }")
        first, count = _whole(raw["first"], "seeds.first", 0), _whole(raw["count"], "seeds.count")
        return tuple(range(first, first + min(count, TRIALS_MAX + 1)))
    seeds = tuple(_whole(seed, "seeds", 0) for seed in _list(raw, "seeds"))
    if len(set(seeds)) != len(seeds):
        raise BadCampaign("'seeds' names a seed twice", hint="repetitions = 2 runs each twice")
    return seeds


def _list(raw: Any, name: str) -> list[Any]:
    if not isinstance(raw, list) or not raw:
        raise BadCampaign(f"'{name}' is {raw!r:.60}, expected a list that is not empty")
    return raw


def _text(raw: Any, name: str) -> str:
    if not isinstance(raw, str) or not raw:
        raise BadCampaign(f"'{name}' holds {raw!r:.60}, expected text")
    return raw


def _whole(raw: Any, name: str, low: int = 1) -> int:
    if type(raw) is not int or not low <= raw < 2**63:
        raise BadCampaign(f"'{name}' holds {raw!r:.60}, expected a whole number from {low}")
    return raw


def _seconds(raw: Any) -> float:
    if type(raw) not in {int, float} or not 0 < raw <= 86_400:  # noqa: PLR2004  # a day
        raise BadCampaign(f"'limit_s' is {raw!r:.60}, expected seconds, up to a day")
    return float(raw)
