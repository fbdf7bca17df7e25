"""Two listener processes and a server that streams: shared fairly, taken over when one dies, no news lost."""

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time

import pytest

from runs.streams import STREAM_LEASE_SECONDS
from tests.processes.streaming import ACCOUNTS
from tests.processes.test_roles import Installation, until


class Told(socketserver.ThreadingTCPServer):
    """Keeps messages per account until they are acknowledged; sends them again on every new connection."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Reader)
        self.lock = threading.Condition()
        self.count = dict.fromkeys(ACCOUNTS, 0)
        self.done = {account: set() for account in ACCOUNTS}
        self.opened = []  # account and position of every connection
        self.early = []  # acknowledged before it was stored
        self.is_stored = lambda record_id: True

    def tell(self, account):
        with self.lock:
            self.count[account] += 1
            self.lock.notify_all()

    @property
    def all_done(self):
        return all(len(self.done[account]) == self.count[account] for account in ACCOUNTS)


class _Reader(socketserver.StreamRequestHandler):
    def handle(self):
        hello = json.loads(self.rfile.readline())
        account, server = hello["account"], self.server
        server.opened.append((account, hello["position"]))
        threading.Thread(target=self._acknowledgements, args=(account,), daemon=True).start()
        sent = set()
        while True:
            with server.lock:
                wanted = set(range(1, server.count[account] + 1)) - server.done[account] - sent
                if not wanted:
                    server.lock.wait(timeout=0.2)
            for number in sorted(wanted):
                try:
                    self.wfile.write(json.dumps({"number": number}).encode() + b"\n")
                except OSError:
                    return
                sent.add(number)

    def _acknowledgements(self, account):
        try:
            for line in self.rfile:
                number = json.loads(line)["done"]
                if not self.server.is_stored(f"{account}{number}"):
                    self.server.early.append((account, number))
                self.server.done[account].add(number)
        except (OSError, ValueError):
            return


@pytest.fixture
def server():
    with Told() as told:
        threading.Thread(target=told.serve_forever, daemon=True).start()
        yield told
        told.shutdown()


@pytest.fixture
def installation(tmp_path, server):
    made = Installation(tmp_path)
    made.environment |= {
        "CAUSEWAY_BASE_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    made.prepare()
    subprocess.run([sys.executable, "-m", "tests.processes.streaming", "seed"], env=made.environment, check=True)
    server.is_stored = lambda record_id: made.query(f"SELECT 1 FROM runs_record WHERE record_id = '{record_id}'")
    yield made
    made.drop()


@pytest.fixture
def listener(installation):
    started = []

    def start():
        command = [sys.executable, "-m", "tests.processes.streaming", "listen"]
        started.append(subprocess.Popen(command, env=installation.environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_streams_are_shared_and_taken_over_and_no_news_is_lost(installation, server, listener):
    def held_by():
        rows = installation.query("SELECT holder, count(*) FROM runs_streamlease WHERE holder <> '' GROUP BY holder")
        return {int(holder.split(":")[1]): count for holder, count in rows}

    first = listener()
    until("one listener holds them all", lambda: held_by() == {first.pid: 3})
    second = listener()
    until("two share them", lambda: sorted(held_by().values()) == [1, 2] and set(held_by()) == {first.pid, second.pid})

    stop = threading.Event()

    def talk():
        while not stop.wait(0.02):
            for account in ACCOUNTS:
                server.tell(account)

    talking = threading.Thread(target=talk)
    talking.start()
    until("news flows", lambda: all(len(done) > 20 for done in server.done.values()))
    victim = first if held_by()[first.pid] == 2 else second
    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    survivor = second if victim is first else first
    until("the other holds them all", lambda: held_by() == {survivor.pid: 3})
    taken_over = time.monotonic() - killed_at
    assert taken_over < STREAM_LEASE_SECONDS + 3
    stop.set()
    talking.join()
    until("all acknowledged", lambda: server.all_done)
    assert server.early == [], "acknowledged only what is stored"
    stored = {record_id for (record_id,) in installation.query("SELECT record_id FROM runs_record")}
    assert stored == {f"{one}{number}" for one in ACCOUNTS for number in range(1, server.count[one] + 1)}
    again = [position for _, position in server.opened[3:]]
    assert any(position and position["number"] > 10 for position in again), "the position goes on, too"

    survivor.send_signal(signal.SIGTERM)
    assert survivor.wait(timeout=20) == 0
    assert held_by() == {}, "a listener that ends gives back what it held"
