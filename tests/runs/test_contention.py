"""A victim of a deadlock is tried again; other trouble is told at once."""

import pytest
from django.db import OperationalError, transaction

from runs.contention import TRIES, tried_again


class _Victim(Exception):
    def __init__(self, sqlstate):
        self.sqlstate = sqlstate


def _failing(sqlstate, times):
    calls = []

    @tried_again
    def work():
        calls.append(1)
        if len(calls) <= times:
            raise OperationalError("deadlock detected") from _Victim(sqlstate)
        return len(calls)

    return work, calls


@pytest.mark.django_db(transaction=True)
def test_deadlock_victim_is_tried_again():
    work, _ = _failing("40P01", times=2)
    assert work() == 3


@pytest.mark.django_db(transaction=True)
def test_it_gives_up_in_the_end():
    work, calls = _failing("40P01", times=99)
    with pytest.raises(OperationalError):
        work()
    assert len(calls) == TRIES


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sqlstate", [None, "57P01", "53100"])
def test_other_trouble_is_told_at_once(sqlstate):
    work, calls = _failing(sqlstate, times=1)
    with pytest.raises(OperationalError):
        work()
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_nothing_is_repeated_inside_a_transaction_of_somebody_else():
    work, calls = _failing("40P01", times=1)
    with transaction.atomic(), pytest.raises(OperationalError):
        work()
    assert len(calls) == 1
