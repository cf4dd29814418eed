from __future__ import annotations

import threading
from pathlib import Path

import pytest

from faststyle import memory
from faststyle.errors import OptionError
from faststyle.memory import Budget, available, parse_size, resident


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1GB", 10**9),
        ("1.5 gib", 3 * 2**29),
        ("800MB", 8 * 10**8),
        ("123", 123),
        ("2kB", 2000),
        ("800000000", 8 * 10**8),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 potato", "0", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--memory"):
        parse_size(text)


def test_what_there_is_makes_sense() -> None:
    assert 2**24 < available() < 2**46
    before = resident()
    block = bytearray(2**28)  # more than what may be freed meanwhile
    assert before == 0 or resident() - before > 2**27
    assert block


def test_a_container_has_its_own_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("100000000\n")
    (tmp_path / "memory.current").write_text("40000000\n")
    (tmp_path / "memory.stat").write_text("anon 10000000\nfile 30000000\ninactive_file 5000000\n")
    assert available() == 65_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available() > 65_000_000


def test_who_asks_for_what_is_taken_waits() -> None:
    budget = Budget(10)
    entered = threading.Event()

    def ask() -> None:
        with budget.reserve(1000):  # no more than all of it
            entered.set()

    waiting = threading.Thread(target=ask)
    with budget.reserve(4), budget.reserve(5):
        waiting.start()
        assert not entered.wait(0.2)
    waiting.join(60)
    assert entered.is_set()


def test_what_is_held_is_given_back_after_a_failure() -> None:
    budget = Budget(10)
    with pytest.raises(RuntimeError), budget.reserve(10):
        raise RuntimeError
    with budget.reserve(10):
        pass


def test_who_asks_for_much_is_not_passed_by() -> None:
    budget = Budget(10)
    order = []

    def ask(amount: int) -> None:
        with budget.reserve(amount):
            order.append(amount)

    much, little = (threading.Thread(target=ask, args=(amount,)) for amount in (10, 1))
    with budget.reserve(5):
        much.start()
        much.join(0.2)
        little.start()
        little.join(0.2)
        assert not order
    much.join(60)
    little.join(60)
    assert order == [10, 1]
