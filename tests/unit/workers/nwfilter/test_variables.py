"""Variables: which rules a rule with lists stands for."""

from __future__ import annotations

import pytest

from tierhost.workers.nwfilter.variables import Access, Unresolvable, access, combinations, gather

IPS = ("10.0.0.1", "10.0.0.2")


def made(texts: list[str], **variables: tuple[str, ...]) -> list[list[str]]:
    return [[chosen.get(text, text) for text in texts] for chosen in combinations(texts, variables)]


def test_a_plain_value_is_no_variable() -> None:
    assert access("10.0.0.1") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$IP", Access("IP")),
        ("$IP[3]", Access("IP", index=3)),
        ("$IP[@2]", Access("IP", iterator=2)),
        ("$A_1[ @ 2 ]", Access("A_1", iterator=2)),
    ],
)
def test_each_way_to_use_a_variable(text: str, found: Access) -> None:
    assert access(text) == found


def test_a_rule_without_variables_stands_for_itself() -> None:
    assert made(["80"]) == [["80"]]


def test_a_list_makes_a_rule_for_each_of_its_values() -> None:
    assert made(["$IP", "80"], IP=IPS) == [["10.0.0.1", "80"], ["10.0.0.2", "80"]]


def test_lists_of_one_iterator_go_in_step_and_a_single_value_goes_with_all() -> None:
    ports = ("80", "443")
    assert made(["$IP", "$PORT", "$MAC"], IP=IPS, PORT=ports, MAC=("m",)) == [["10.0.0.1", "80", "m"], ["10.0.0.2", "443", "m"]]


def test_lists_of_different_iterators_are_combined() -> None:
    assert len(made(["$IP[@1]", "$PORT[@2]"], IP=IPS, PORT=("1", "2", "3"))) == 6


def test_one_element_is_one_value() -> None:
    assert made(["$IP[1]"], IP=IPS) == [["10.0.0.2"]]


@pytest.mark.parametrize(
    ("text", "told"),
    [("$IP[2]", "does not exist"), ("$OTHER", "OTHER has no value"), ("$OTHER[0]", "OTHER has no value")],
)
def test_what_has_no_value_is_named(text: str, told: str) -> None:
    with pytest.raises(Unresolvable, match=told):
        made([text], IP=IPS)


def test_without_an_address_the_hint_says_that_none_is_learned() -> None:
    with pytest.raises(Unresolvable) as caught:
        made(["$IP"])
    assert "not learned" in caught.value.hint


def test_lists_in_step_of_different_length_are_refused() -> None:
    with pytest.raises(Unresolvable, match="differ in length"):
        made(["$IP", "$PORT"], IP=IPS, PORT=("1", "2", "3"))


def test_more_combinations_than_the_kernel_should_hold_are_refused() -> None:
    many = tuple(str(number) for number in range(100))
    with pytest.raises(Unresolvable, match="4096 combinations"):
        made(["$A[@1]", "$B[@2]"], A=many, B=many)


def test_a_parameter_given_again_is_a_list() -> None:
    assert gather([("IP", "10.0.0.1"), ("IP", "10.0.0.2"), ("A", "x")]) == {"IP": IPS, "A": ("x",)}


@pytest.mark.parametrize(
    ("name", "value"), [("A B", "1"), ("", "1"), ("A", ""), ("A", "x" * 257), ("A", "1,2"), ("A", 5), (None, "1")]
)
def test_what_is_no_parameter_is_refused(name: object, value: object) -> None:
    with pytest.raises(ValueError, match="parameter"):
        gather([(name, value)])  # type: ignore[list-item]
