"""Limits of verbs: the manifest's word, else ours."""

from __future__ import annotations

import pytest

from tierhost.host.core.spec import VERB_LIMITS_S, DriverSpec


@pytest.mark.parametrize("verb", sorted(VERB_LIMITS_S))
def test_a_manifest_that_says_nothing_gets_the_usual_limit(verb: str) -> None:
    assert DriverSpec("storage", "libvirt").limit_s(verb) == VERB_LIMITS_S[verb]


def test_a_manifest_names_verbs_without_their_prefix() -> None:
    spec = DriverSpec("storage", "libvirt", limits_s={"initialize": 7.0})
    assert spec.limit_s("state_initialize") == 7.0
    assert spec.limit_s("state_cleanup") == VERB_LIMITS_S["state_cleanup"]


def test_the_longest_verb_is_the_longest_after_the_manifest_spoke() -> None:
    assert DriverSpec("storage", "libvirt").longest_s() == max(VERB_LIMITS_S.values())
    assert DriverSpec("storage", "libvirt", limits_s={"reload": 500.0}).longest_s() == 500.0
    assert (
        DriverSpec("storage", "libvirt", limits_s={verb.removeprefix("state_"): 2.0 for verb in VERB_LIMITS_S}).longest_s() == 2.0
    )


def test_a_verb_that_does_not_exist_has_no_limit() -> None:
    with pytest.raises(KeyError):
        DriverSpec("storage", "libvirt").limit_s("state_dance")
