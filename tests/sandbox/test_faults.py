"""Each kind of fault, shown on a stand-in that only keeps a list of notes."""

import socket
import time

import httpx
import pytest
from aiohttp import web

from sandbox.common.faults import BadRule, FaultBook
from sandbox.common.middleware import note_reference
from sandbox.common.server import running
from sandbox.common.standin import StandIn
from sandbox.common.visibility import Table


class Notes(StandIn):
    key, title = "notes", "Notes"
    other_fault_kinds = frozenset({"never", "duplicate"})

    def __init__(self, *, seed: int = 1) -> None:
        super().__init__(seed=seed)
        self.notes: Table[str, dict] = Table()

    def routes(self):
        return [web.post("/notes", self.write), web.get("/notes/{name}", self.read)]

    def reset(self, seed):
        self.notes = Table()

    def state(self):
        return self.notes.all()

    dump = state

    def restore(self, stored):
        for note in stored:
            self.notes.add(note["name"], note)

    async def write(self, request):
        note = await request.json()
        note_reference(request, note["name"])
        if note["name"] in self.notes.rows:
            self.notes.edit(note["name"]).update(note)
        else:
            self.notes.add(note["name"], note)
        self.changed()
        return web.json_response({"written": note["name"], "padding": "x" * 200}, status=201)

    async def read(self, request):
        note = self.notes.read(request.match_info["name"])
        if note is None:
            raise web.HTTPNotFound()
        return web.json_response(note)


@pytest.fixture
def http():
    with running(Notes()) as url, httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
        yield client


def fault(http, **rule):
    http.put("/control/faults", json=[rule]).raise_for_status()


def names(http):
    return [note["name"] for note in http.get("/control/state").json()]


def write(http, name="a", **more):
    return http.post("/notes", json={"name": name, **more})


def until(true, seconds=3.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_calls_are_counted_by_operation_and_logged_with_reference(http):
    write(http)
    http.get("/notes/a")
    http.get("/notes/b")
    http.get("/nowhere")
    assert http.get("/control/calls").json() == {"GET /notes/{name}": 2, "POST /notes": 1, "unmatched": 1}
    first = http.get("/control/arrivals").json()[0]
    assert (first["operation"], first["reference"], first["status"]) == ("POST /notes", "a", 201)
    http.post("/control/calls/reset")
    assert http.get("/control/calls").json() == {}


def test_latency_answers_later(http):
    fault(http, kind="latency", seconds=0.3)
    begun = time.monotonic()
    assert write(http).status_code == 201
    assert time.monotonic() - begun >= 0.3


def test_status_does_nothing_and_says_when_to_return(http):
    fault(http, kind="status", status=500, retry_after=7)
    answer = write(http)
    assert (answer.status_code, answer.headers["Retry-After"]) == (500, "7")
    assert answer.json() == {"message": "Internal Server Error"}
    assert names(http) == []


def test_rate_limit_is_a_429_with_or_without_retry_after(http):
    fault(http, kind="rate_limit")
    assert write(http).status_code == 429
    assert "Retry-After" not in write(http).headers
    fault(http, kind="rate_limit", retry_after=1)
    assert write(http).headers["Retry-After"] == "1"


def test_html_error_is_a_page(http):
    fault(http, kind="html_error", status=503)
    answer = write(http)
    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (503, "text/html")
    assert names(http) == []


@pytest.mark.parametrize("reset", [False, True])
def test_cut_before_leaves_nothing_done(http, reset):
    fault(http, kind="cut_before", reset=reset)
    with pytest.raises(httpx.ReadError if reset else httpx.RemoteProtocolError):
        write(http)
    assert names(http) == []
    assert http.get("/control/calls").json() == {"POST /notes": 1}


def test_cut_after_is_done_without_an_answer(http):
    fault(http, kind="cut_after")
    with pytest.raises(httpx.RemoteProtocolError):
        write(http)
    assert names(http) == ["a"]
    assert http.get("/control/arrivals").json()[0]["status"] is None


def test_half_answer_is_done_and_ends_inside_the_body(http):
    fault(http, kind="half_answer")
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        write(http)
    with http.stream("POST", "/notes", json={"name": "b"}) as answer:
        assert answer.status_code == 201
    assert names(http) == ["a", "b"]


def test_truncated_is_a_complete_answer_with_a_broken_body(http):
    fault(http, kind="truncated")
    answer = write(http)
    assert answer.status_code == 201
    with pytest.raises(ValueError):
        answer.json()
    assert names(http) == ["a"]


def test_late_landing_cuts_at_once_and_takes_effect_later(http):
    fault(http, kind="late_landing", seconds=0.4)
    begun = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        write(http)
    assert time.monotonic() - begun < 0.4
    assert names(http) == []
    until(lambda: names(http) == ["a"])
    assert time.monotonic() - begun >= 0.4


def test_late_landing_with_hang_lands_after_the_client_gave_up(http):
    fault(http, kind="late_landing", seconds=0.5, hang=True)
    with pytest.raises(httpx.ReadTimeout):
        http.post("/notes", json={"name": "a"}, timeout=0.2)
    assert names(http) == []
    until(lambda: names(http) == ["a"])


def test_reset_drops_what_has_not_landed(http):
    fault(http, kind="late_landing", seconds=0.2)
    with pytest.raises(httpx.RemoteProtocolError):
        write(http)
    http.post("/control/reset", json={"seed": 2})
    time.sleep(0.4)
    assert names(http) == []
    assert http.get("/control/faults").json() == []


def test_unreadable_hides_a_new_record_and_shows_a_changed_one_as_it_was(http):
    write(http, "old", text="before")
    fault(http, kind="unreadable", seconds=0.4)
    write(http, "new")
    write(http, "old", text="after")
    assert http.get("/notes/new").status_code == 404
    assert http.get("/notes/old").json()["text"] == "before"
    assert names(http) == ["old", "new"]
    until(lambda: http.get("/notes/new").status_code == 200)
    until(lambda: http.get("/notes/old").json()["text"] == "after")


def test_unreadable_with_cut_also_loses_the_answer(http):
    fault(http, kind="unreadable", operations=["POST *"], seconds=0.3, cut=True)
    with pytest.raises(httpx.RemoteProtocolError):
        write(http)
    assert http.get("/notes/a").status_code == 404
    until(lambda: http.get("/notes/a").status_code == 200)


def test_hang_does_nothing_and_ends_by_cutting(http):
    fault(http, kind="hang", seconds=0.3)
    begun = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        write(http)
    assert time.monotonic() - begun >= 0.3
    assert names(http) == []


def test_rules_nest_in_their_order(http):
    http.put("/control/faults", json=[{"kind": "latency", "seconds": 0.2}, {"kind": "status", "status": 429}])
    begun = time.monotonic()
    assert write(http).status_code == 429
    assert time.monotonic() - begun >= 0.2
    assert http.get("/control/arrivals").json()[0]["faults"] == ["latency", "status"]


def test_rule_counts_skip_and_times_and_matches_patterns(http):
    fault(http, kind="status", operations=["POST *"], skip=1, times=2, id="r")
    assert [write(http).status_code for _ in range(5)] == [201, 503, 503, 201, 201]
    assert http.get("/notes/a").status_code == 200
    rule = http.get("/control/faults").json()[0]
    assert (rule["id"], rule["matched"], rule["hits"]) == ("r", 5, 2)
    assert http.put("/control/faults", json=[rule]).status_code == 200


def test_same_seed_gives_the_same_hits():
    def hits(seed):
        book = FaultBook(known_kinds={"status"}, seed=seed)
        book.replace([{"kind": "status", "probability": 0.5}])
        return [bool(book.draw("x", {"status"})) for _ in range(64)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 15 < sum(hits(1)) < 50


def test_kinds_for_webhooks_are_drawn_apart_from_those_for_calls(http):
    standin = Notes()
    standin.faults.replace([{"kind": "never", "operations": ["webhook:*"]}, {"kind": "cut_before"}])
    assert [rule.kind for rule in standin.faults.draw("webhook:OrderPlaced", {"never"})] == ["never"]
    assert [rule.kind for rule in standin.faults.draw("POST /notes", standin.fault_kinds)] == ["cut_before"]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {"kind": "status", "when": "now"},
        {"kind": "status", "probability": 2},
        {"kind": "status", "operations": "POST"},
        {"kind": "latency", "seconds": "1"},
        "status",
    ],
)
def test_bad_rules_are_refused_and_change_nothing(http, rule):
    fault(http, kind="latency")
    assert http.put("/control/faults", json=[rule]).status_code == 400
    assert [kept["kind"] for kept in http.get("/control/faults").json()] == ["latency"]
    with pytest.raises(BadRule):
        FaultBook(known_kinds={"status", "latency"}, seed=1).replace([rule])


def test_snapshot_brings_the_state_back(tmp_path):
    file = tmp_path / "state.json"
    with running(Notes(), state_file=file) as url:
        httpx.post(f"{url}/notes", json={"name": "kept"}, trust_env=False)
        until(file.exists)
    with running(Notes(), state_file=file) as url:
        assert httpx.get(f"{url}/notes/kept", trust_env=False).status_code == 200


def test_stop_is_prompt_while_a_call_hangs():
    with running(Notes()) as url:
        httpx.put(f"{url}/control/faults", json=[{"kind": "hang", "seconds": 60}], trust_env=False)
        port = int(url.rsplit(":", 1)[1])
        held = socket.create_connection(("127.0.0.1", port))
        held.sendall(b"GET /notes/a HTTP/1.1\r\nHost: x\r\n\r\n")
        begun = time.monotonic()
    held.close()
    assert time.monotonic() - begun < 5
