"""A worker in a process of its own: claims, works for a moment, ends; says what it did when. Ends with its input."""

import json
import os
import sys
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connections  # noqa: E402

from runs.claim import events_claim  # noqa: E402
from runs.journal import Ending, Entry, entries_write  # noqa: E402


def work(name: str, asked_to_end: threading.Event) -> None:
    while not asked_to_end.is_set():
        claims = events_claim(worker=name, limit=3, lease_seconds=60)
        if not claims:
            asked_to_end.wait(0.005)
        for claimed in claims:
            begun = time.monotonic()  # one clock for all processes of a host
            asked_to_end.wait(0.002)
            ended = time.monotonic()  # once its ending is stored another process may begin before we look at the clock
            fenced = entries_write([Entry(claimed, [], 0, ending=Ending("done"))])
            print(json.dumps([claimed.record.record_id, begun, ended, bool(fenced)]), flush=True)


def main(database: str) -> None:
    connections["default"].settings_dict["NAME"] = database
    asked_to_end = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), asked_to_end.set()), daemon=True).start()
    print("ready", flush=True)
    work(f"process {os.getpid()}", asked_to_end)


if __name__ == "__main__":
    main(sys.argv[1])
