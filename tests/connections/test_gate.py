"""The gate over the real database; several boards stand for several worker processes."""

import asyncio
import contextlib
import gc
import itertools
import weakref
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from connections import circuits, gate
from connections.circuits import troubles_forget
from connections.gate import Board, ConnectionGate, pause_seconds
from connections.models import CircuitState, Connection
from connectors.base.errors import NotSent
from connectors.base.gate import CallOutcome
from connectors.base.limit_headers import standard_limit, window_limit
from connectors.base.manifest import RateLimit
from tests.factories import ConnectionFactory

OK, BROKEN, THROTTLED, NOT_MADE = CallOutcome.OK, CallOutcome.BROKEN, CallOutcome.THROTTLED, CallOutcome.NOT_MADE

pytestmark = pytest.mark.django_db(transaction=True)


class MonotonicClock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


class Process:
    """A worker process: its own board, its own monotonic clock."""

    def __init__(self):
        self.clock = MonotonicClock()
        self.board = Board(self.clock)

    def gate(self, connection, host="", limit=None):
        return ConnectionGate(connection.pk, host=host, limit=limit, shared=self.board)

    def later(self, seconds=1.1):
        self.clock.seconds += seconds


@pytest.fixture
def here():
    return Process()


@pytest.fixture
def there():
    return Process()


@pytest.fixture
def connection():
    return ConnectionFactory()


def row_of(connection):
    return CircuitState.objects.get(key=f"connection:{connection.pk}")


def time_is_over(key):
    """The open time has passed, by the database's clock."""
    CircuitState.objects.filter(key=key).update(open_until=Now() - timedelta(seconds=1))


async def call(door, outcome, headers=None):
    await door.enter("get_order")
    await door.report("get_order", outcome, headers or {})


async def attempt(door, outcome, headers=None):
    """One call in a task of its own, as in a worker. :returns: None, or the refusal."""

    async def one():
        try:
            await call(door, outcome, headers)
        except NotSent as refusal:
            return refusal
        return None

    return await asyncio.create_task(one())


async def several(door, *outcomes):
    return [await attempt(door, outcome) for outcome in outcomes]


def test_five_failures_in_a_row_open_the_circuit_for_everybody(here, there, connection):
    assert asyncio.run(several(here.gate(connection), *[BROKEN] * 5)) == [None] * 5
    for process in (here, there):
        refusal = asyncio.run(attempt(process.gate(connection), OK))
        assert (refusal.code, refusal.counts) == ("circuit_open", False)
        assert 3 < refusal.after_seconds <= 6
    row = row_of(connection)
    assert 3.5 < (row.open_until - row.opened_at).total_seconds() < 6.5
    connection.refresh_from_db()
    assert connection.last_error


def test_an_answer_between_keeps_it_closed(here, connection):
    news = asyncio.run(several(here.gate(connection), *[BROKEN] * 4, OK, *[BROKEN] * 4, THROTTLED))
    assert news == [None] * 10
    assert not CircuitState.objects.filter(open_until__isnull=False).exists()


def test_failures_far_apart_keep_it_closed(here, connection):
    async def slowly():
        for _ in range(8):
            assert await attempt(here.gate(connection), BROKEN) is None
            here.later(16)

    asyncio.run(slowly())
    assert not CircuitState.objects.exists()


def test_healthy_calls_cost_no_statement_but_one_look_a_second(here, connection, monkeypatch):
    statements = []
    really = gate.in_database

    async def counted(work, *args, **kwargs):
        statements.append(work.__name__)
        return await really(work, *args, **kwargs)

    monkeypatch.setattr(gate, "in_database", counted)
    door = here.gate(connection, host="tea.example")
    asyncio.run(several(door, *[OK] * 50, BROKEN, BROKEN))
    assert statements == ["troubles"]
    here.later()
    asyncio.run(several(door, *[OK] * 50))
    assert statements == ["troubles"] * 2


def test_a_call_waits_for_no_look_while_the_database_is_slow(here, there, connection, monkeypatch):
    """Calls go on with the last picture, for three seconds; after that they wait for the next."""
    door, slow = here.gate(connection), asyncio.Event()
    really = gate.in_database

    async def held_up(work, *args, **kwargs):
        await slow.wait()
        return await really(work, *args, **kwargs)

    async def story():
        await attempt(door, OK)
        monkeypatch.setattr(gate, "in_database", held_up)
        for seconds in (0.6, 0.5, 0.5, 0.5):
            here.later(seconds)
            async with asyncio.timeout(0.5):
                assert await attempt(door, OK) is None
        here.later(1.0)
        waiting = asyncio.create_task(attempt(door, OK))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        slow.set()
        return await waiting

    assert asyncio.run(story()) is None


def test_a_call_in_peace_yields_to_nobody(here, connection):
    """Nothing in trouble, a token in hand: the coroutines of a whole call run through without suspending."""

    async def story():
        door = here.gate(connection, host="tea.example", limit=RateLimit(calls=100_000, per_seconds=60, source="test"))
        await several(door, *[OK] * 5)
        for step in (door.enter("get_order"), door.report("get_order", OK, {})):
            with pytest.raises(StopIteration):
                step.send(None)

    asyncio.run(story())


def test_another_process_learns_of_it_within_a_second(here, there, connection):
    async def story():
        assert await attempt(there.gate(connection), OK) is None
        await several(here.gate(connection), *[BROKEN] * 5)
        there.later(1.0)
        return await attempt(there.gate(connection), OK)

    assert asyncio.run(story()).code == "circuit_open"


def test_exactly_one_probe_goes_through(here, there, connection):
    key = f"connection:{connection.pk}"
    asyncio.run(several(here.gate(connection), *[BROKEN] * 5))
    time_is_over(key)

    async def crowd():
        here.later()
        there.later()
        through, release = [], asyncio.Event()

        async def one(door):
            with contextlib.suppress(NotSent):
                await door.enter("get_order")
                through.append(door)
                await release.wait()
                await door.report("get_order", OK, {})

        doors = [process.gate(connection) for process in (here, there) for _ in range(10)]
        tasks = [asyncio.create_task(one(door)) for door in doors]
        async with asyncio.timeout(10):
            for refused in itertools.islice(asyncio.as_completed(tasks), 19):
                await refused
        assert len(through) == 1
        release.set()
        await asyncio.gather(*tasks)
        return len(through)

    assert asyncio.run(crowd()) == 1
    assert row_of(connection).open_until is None
    connection.refresh_from_db()
    assert (connection.last_error, connection.last_ok_at is not None) == ("", True)

    async def afterwards():
        here.later()
        there.later()
        return [await attempt(process.gate(connection), OK) for process in (here, there)]

    assert asyncio.run(afterwards()) == [None, None]


def test_a_failed_probe_doubles_the_time_up_to_five_minutes(here, connection):
    asyncio.run(several(here.gate(connection), *[BROKEN] * 5))
    seconds = []
    for _ in range(8):
        time_is_over(f"connection:{connection.pk}")
        here.later()
        assert asyncio.run(attempt(here.gate(connection), BROKEN)) is None
        seconds.append(row_of(connection).open_seconds)
    assert seconds == [10, 20, 40, 80, 160, 300, 300, 300]
    here.later()
    assert asyncio.run(attempt(here.gate(connection), OK)).after_seconds > 200


def test_a_late_answer_from_before_decides_nothing(here, connection):
    async def story():
        door = here.gate(connection)
        release = asyncio.Event()

        async def slow(outcome):
            await door.enter("get_order")
            await release.wait()
            await door.report("get_order", outcome, {})

        late = [asyncio.create_task(slow(outcome)) for outcome in (OK, BROKEN, BROKEN)]
        await asyncio.sleep(0.05)
        await several(door, *[BROKEN] * 5)
        before = await asyncio.to_thread(row_of, connection)
        release.set()
        await asyncio.gather(*late)
        return before, await asyncio.to_thread(row_of, connection)

    before, after = asyncio.run(story())
    assert after.open_until == before.open_until is not None


def test_a_probe_that_never_reports_is_followed_by_another(here, there, connection):
    asyncio.run(several(here.gate(connection), *[BROKEN] * 5))
    time_is_over(f"connection:{connection.pk}")
    here.later()
    asyncio.run(here.gate(connection).enter("get_order"))  # the process dies here
    assert asyncio.run(attempt(there.gate(connection), OK)).code == "circuit_probing"
    CircuitState.objects.update(probe_until=Now() - timedelta(seconds=1))
    there.later()
    assert asyncio.run(attempt(there.gate(connection), OK)) is None
    assert row_of(connection).open_until is None


def test_calls_that_were_not_made_open_no_circuit_and_are_no_answer_either(here, connection):
    assert asyncio.run(several(here.gate(connection), *[NOT_MADE] * 10)) == [None] * 10
    assert not CircuitState.objects.exists()
    asyncio.run(several(here.gate(connection), *[BROKEN] * 4, NOT_MADE, BROKEN))
    assert row_of(connection).open_until is not None


def test_a_probe_that_was_not_made_decides_nothing_and_is_given_back(here, there, connection):
    asyncio.run(several(here.gate(connection), *[BROKEN] * 5))
    time_is_over(f"connection:{connection.pk}")
    here.later()
    seconds = row_of(connection).open_seconds
    assert asyncio.run(attempt(here.gate(connection), NOT_MADE)) is None
    assert row_of(connection).open_seconds == seconds and row_of(connection).open_until is not None
    assert asyncio.run(attempt(there.gate(connection), OK)) is None, "another may probe at once"
    assert row_of(connection).open_until is None


def test_429_pauses_all_workers_and_is_not_a_failure(here, there, connection):
    assert asyncio.run(attempt(here.gate(connection), THROTTLED, {"retry-after": "30"})) is None
    for process in (here, there):
        refusal = asyncio.run(attempt(process.gate(connection), OK))
        assert (refusal.code, refusal.counts) == ("rate_pause", False)
        assert 28 < refusal.after_seconds <= 30
    CircuitState.objects.update(paused_until=Now() - timedelta(seconds=1))
    here.later()
    assert asyncio.run(attempt(here.gate(connection), OK)) is None


def test_a_shorter_pause_does_not_cut_a_longer_one(connection):
    circuits.pause("connection:x", 60)
    circuits.pause("connection:x", 5)
    row = CircuitState.objects.annotate(present=Now()).get()
    assert (row.paused_until - row.present).total_seconds() > 55


def test_a_throttled_probe_closes_the_circuit_but_pauses(here, connection):
    asyncio.run(several(here.gate(connection), *[BROKEN] * 5))
    time_is_over(f"connection:{connection.pk}")
    here.later()
    assert asyncio.run(attempt(here.gate(connection), THROTTLED, {})) is None
    row = row_of(connection)
    assert row.open_until is None
    assert row.paused_until is not None


class TestHost:
    def test_one_broken_account_does_not_stop_its_neighbours(self, here):
        broken, healthy = ConnectionFactory(), ConnectionFactory()

        async def story():
            door = here.gate(broken, host="kashflow.example")
            for _ in range(3):  # its own circuit must not be what protects the others
                await several(door, *[BROKEN] * 5)
                await asyncio.to_thread(CircuitState.objects.filter(key__startswith="connection:").delete)
                here.later()
            return await attempt(here.gate(healthy, host="kashflow.example"), OK)

        assert asyncio.run(story()) is None

    def test_several_accounts_failing_stop_calls_to_the_host(self, here, there):
        accounts = [ConnectionFactory() for _ in range(4)]

        async def story():
            for number in range(10):
                assert await attempt(here.gate(accounts[number % 3], host="KashFlow.example"), BROKEN) is None
            return [await attempt(each.gate(accounts[3], host="kashflow.example"), OK) for each in (here, there)]

        assert [refusal.code for refusal in asyncio.run(story())] == ["circuit_open"] * 2
        assert CircuitState.objects.get(open_until__isnull=False).key == "host:kashflow.example"
        assert not Connection.unscoped.filter(pk=accounts[3].pk).exclude(last_error="").exists()

    def test_a_refused_connection_gives_the_hosts_probe_back(self, here, there, connection):
        for key in ("host:kashflow.example", f"connection:{connection.pk}"):
            circuits.circuit_open(key, failures=5, jitter=1, why="x")
            time_is_over(key)
        assert circuits.probe_claim(f"connection:{connection.pk}", "somebody else")

        async def story():
            await here.board.look()
            here.board.note(circuits.Trouble(f"connection:{connection.pk}", 0.0, 0.0, 0.0))
            return await attempt(here.gate(connection, host="kashflow.example"), OK)

        assert asyncio.run(story()).code == "circuit_probing"
        assert CircuitState.objects.get(key="host:kashflow.example").probe_until is None


def test_a_stated_limit_is_kept(here, connection):
    door = here.gate(connection, limit=RateLimit(calls=20, per_seconds=600, source="test"))
    first, second, third = asyncio.run(several(door, OK, OK, OK))
    assert (first, second) == (None, None)
    assert (third.code, third.counts) == ("budget_spent", False)
    assert third.after_seconds > 20


def test_an_operation_with_a_budget_of_its_own_holds_up_no_other(here, connection):
    once = {"get_orders": RateLimit(calls=1, per_seconds=60, source="test", burst=1)}
    door = ConnectionGate(connection.pk, host="", operation_limits=once, shared=here.board)

    async def story():
        async def enter(operation):
            try:
                await door.enter(operation)
            except NotSent as refusal:
                return refusal.code

        return [await enter(operation) for operation in ("get_orders", "get_orders", "get_order", "get_order")]

    assert asyncio.run(story()) == [None, "budget_spent", None, None]


def test_a_throttled_operation_with_a_budget_of_its_own_pauses_only_itself(here, there, connection):
    once = {"get_orders": RateLimit(calls=10, per_seconds=60, source="test", burst=10)}

    async def story():
        mine, theirs = (
            ConnectionGate(connection.pk, host="", operation_limits=once, shared=process.board)
            for process in (here, there)
        )
        await mine.enter("get_orders")
        await mine.report("get_orders", THROTTLED, {"retry-after": "30"})
        await mine.enter("get_order")
        with pytest.raises(NotSent) as caught:
            await theirs.enter("get_orders")
        return caught.value

    refusal = asyncio.run(story())
    assert refusal.code == "budget_spent"
    assert 25 < refusal.after_seconds <= 30


def test_headers_shrink_the_budget_for_all_processes(here, there, connection):
    def gate_of(process):
        return ConnectionGate(
            connection.pk,
            host="",
            limit=RateLimit(calls=1000, per_seconds=60, source="test"),
            limit_headers=window_limit,
            shared=process.board,
        )

    def left(calls):
        return {"x-rate-limit-requests-left": str(calls), "x-rate-limit-time-reset-ms": "40000"}

    async def story():
        mine, theirs = gate_of(here), gate_of(there)
        assert await attempt(mine, OK, left(990)) is None
        here.later()
        assert await attempt(mine, OK, left(2)) is None
        return [await attempt(each, OK, {}) for each in (theirs, mine) * 4]

    found = asyncio.run(story())
    assert [refusal and refusal.code for refusal in found] == [None] * 2 + ["budget_spent"] * 6
    assert 35 < found[-1].after_seconds <= 40


def test_a_provider_that_names_no_limit_but_says_that_nothing_is_left_is_left_alone(here, connection):
    door = ConnectionGate(connection.pk, host="", limit_headers=standard_limit, shared=here.board)
    assert asyncio.run(attempt(door, OK, {"ratelimit-remaining": "0", "ratelimit-reset": "50"})) is None
    refusal = asyncio.run(attempt(door, OK))
    assert (refusal.code, refusal.counts) == ("rate_pause", False)
    assert 45 < refusal.after_seconds <= 50


def test_429_waits_until_the_window_ends_where_headers_say_so(here, connection):
    door = ConnectionGate(connection.pk, host="", limit_headers=window_limit, shared=here.board)
    said = {"x-rate-limit-requests-left": "0", "x-rate-limit-time-reset-ms": "20000", "retry-after": "5"}
    asyncio.run(attempt(door, THROTTLED, said))
    assert 18 < asyncio.run(attempt(door, OK)).after_seconds <= 20


def test_an_unreadable_database_puts_calls_off_and_reports_never_raise(here, connection, monkeypatch):
    async def broken(work, *args, **kwargs):
        raise OperationalError("gone")

    asyncio.run(several(here.gate(connection), *[BROKEN] * 5))
    time_is_over(f"connection:{connection.pk}")
    here.later()
    asyncio.run(here.board.look())
    monkeypatch.setattr(gate, "in_database", broken)
    assert asyncio.run(attempt(here.gate(connection), OK)).code == "gate_unreadable"
    asyncio.run(several(Process().gate(connection), *[BROKEN] * 6, THROTTLED))


def test_quiet_rows_are_forgotten_and_open_ones_kept():
    circuits.circuit_open("host:a", failures=5, jitter=1, why="x")
    circuits.pause("connection:b", 5)
    CircuitState.objects.filter(key="connection:b").update(paused_until=Now() - timedelta(days=2))
    assert troubles_forget(older_than=timedelta(days=1)) == 1
    assert CircuitState.objects.get().key == "host:a"


def after_its_end(work):
    """Run it in a loop of its own. :returns: that loop, weakly."""

    async def story():
        await work()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(story())
    gc.collect()
    return loop


class TestLoops:
    """Pages ask providers in loops of their own, each of which is gone afterwards."""

    def test_a_loop_that_looked_is_gone_when_it_has_ended(self, here, connection):
        async def one_call():
            here.later()
            assert await attempt(here.gate(connection), OK) is None

        assert [after_its_end(one_call)() for _ in range(3)] == [None] * 3

    def test_a_loop_that_spent_from_a_budget_is_gone_when_it_has_ended(self, here, connection):
        door = here.gate(connection, limit=RateLimit(1000, 1, "test"))

        async def some_calls():
            for _ in range(10):
                assert await attempt(door, OK) is None

        assert [after_its_end(some_calls)() for _ in range(3)] == [None] * 3

    def test_a_loop_that_ended_while_calls_waited_for_a_budget_is_gone(self, here, connection):
        door = here.gate(connection, limit=RateLimit(10, 5, "test"))

        async def left_waiting():
            crowd = [asyncio.create_task(attempt(door, OK)) for _ in range(5)]
            await asyncio.wait(crowd, timeout=0.1)
            assert not all(one.done() for one in crowd)

        assert after_its_end(left_waiting)() is None


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        ("0", 1),
        ("999999", 3600),
        ("Fri, 20 Nov 2026 09:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 1),
        ("soon", gate.PAUSE_SECONDS),
        ("", gate.PAUSE_SECONDS),
        ("-5", gate.PAUSE_SECONDS),
        ("²", gate.PAUSE_SECONDS),
    ],
)
def test_retry_after_is_read(asked, seconds):
    assert pause_seconds({"retry-after": asked}, datetime(2026, 11, 20, 9, 0, tzinfo=UTC)) == seconds
