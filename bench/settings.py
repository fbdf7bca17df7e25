"""The product's settings plus the bench's connectors, tables and views; only processes the bench starts use them."""

import os

from config.settings import *  # noqa: F403
from config.settings import HOST_NAME, INSTALLED_APPS, Q_CLUSTER

INSTALLED_APPS = [*INSTALLED_APPS, "bench"]
ROOT_URLCONF = "bench.urls"

# A queue of this run's own, so that two benches on one Redis never take each other's tasks.
_QUEUE = os.environ.get("BENCH_QUEUE", "bench")
TASK_CLUSTER, TUNED_TASK_CLUSTER = f"{_QUEUE}-tasks", f"{_QUEUE}-tuned-tasks"
_TASKS = {"workers": 4, "timeout": 60, "retry": 600}
BENCH_STUB = os.environ.get("BENCH_STUB", "")
STUB = BENCH_STUB  # by this name the reference flow reads where to call

Q_CLUSTER = {
    **Q_CLUSTER,
    "name": _QUEUE,
    "cluster_name": f"{_QUEUE}-{HOST_NAME}",
    # One task per order: by django-q2's own defaults, and tuned for it (several at once from the broker, no results
    # kept, workers that stay).
    "ALT_CLUSTERS": {
        TASK_CLUSTER: {
            **_TASKS,
            "queue_limit": 16,
            "bulk": 1,
            "save_limit": 250,
            "recycle": 500,
            "poll": 0.2,
            "guard_cycle": 0.5,
            "ack_failures": False,
            "max_attempts": 0,
            "catch_up": True,
        },
        TUNED_TASK_CLUSTER: {**_TASKS, "queue_limit": 16, "bulk": 10, "save_limit": -1, "recycle": 100_000},
    },
}
