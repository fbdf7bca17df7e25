"""A kill's moment is what the stand-in's log says, and a count that is not clean says so."""

import pytest

from chaos.count import Count
from chaos.kills import Kill, Killer
from chaos.processes import descendants, is_alive, owner_of_port
from chaos.recovery import percentile

SIGNALLED, DEAD = 100.0, 100.2


class Log:
    """Stands for the stand-in's log: one arrival."""

    def __init__(self, **row):
        self.row = {"begun_at": None, "done_at": None, "answered_at": None, **row}

    def again(self, system, number):
        return self.row


def proved(**row):
    kill = Kill("worker", "here", 1, "kashflow", "InsertInvoice", 7, "", SIGNALLED, DEAD)
    Killer(None, Log(**row)).prove(kill)
    return kill.moment, kill.why_not


@pytest.mark.parametrize(
    ("row", "moment"),
    [
        ({}, "before"),
        ({"begun_at": 101.0, "done_at": 101.0}, "during"),
        ({"begun_at": 99.0, "done_at": 101.0}, "during"),
        ({"begun_at": 99.0, "done_at": 99.1}, "after"),
    ],
)
def test_the_moment_is_read_from_the_log(row, moment):
    assert proved(**row) == (moment, "")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"begun_at": 99.0, "done_at": 99.1, "answered_at": 99.2}, "it had been answered"),
        ({"begun_at": 100.1, "done_at": 100.1}, "it was carried out while the process died"),
    ],
)
def test_what_cannot_be_told_does_not_count(row, why):
    assert proved(**row) == ("", why)


@pytest.mark.parametrize("wrong", ["lost", "doubled", "stuck"])
def test_anything_lost_doubled_or_stuck_is_not_clean(wrong):
    clean = {"effects": 3, "lost": [], "doubled": [], "stuck": []}
    assert Count(**clean).clean
    assert not Count(**{**clean, wrong: ["order 7"]}).clean
    assert not Count(**clean, stock_differences={"SKU-001": (1, 2)}).clean


def test_percentiles_are_by_nearest_rank():
    assert percentile([], 0.99) == 0.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0


def test_the_owner_of_a_connection_is_the_process_that_holds_it():
    import os
    import socket
    import subprocess
    import sys

    with socket.create_server(("127.0.0.1", 0)) as server:
        script = f"import socket; s = socket.create_connection({server.getsockname()!r}); s.recv(1)"
        with subprocess.Popen([sys.executable, "-c", script]) as child:
            connection, (_, port) = server.accept()
            assert owner_of_port(port, [os.getpid(), child.pid]) == child.pid
            assert child.pid in descendants(os.getpid())
            connection.close()
            child.wait()
            assert not is_alive(child.pid)
