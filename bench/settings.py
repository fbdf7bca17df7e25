"""The product's settings plus the bench's connectors, tables and views; only processes the bench starts use them."""

import os

from config.settings import *  # noqa: F403
from config.settings import HOST_NAME, INSTALLED_APPS, Q_CLUSTER

INSTALLED_APPS = [*INSTALLED_APPS, "bench"]
ROOT_URLCONF = "bench.urls"

# A queue of this run's own, so that two benches on one Redis never take each other's tasks.
_QUEUE = os.environ.get("BENCH_QUEUE", "bench")
TASK_CLUSTER = f"{_QUEUE}-tasks"
TASK_WORKERS = 4
BENCH_STUB = os.environ.get("BENCH_STUB", "")
STUB = BENCH_STUB  # by this name the reference flow reads where to call

Q_CLUSTER = {
    **Q_CLUSTER,
    "name": _QUEUE,
    "cluster_name": f"{_QUEUE}-{HOST_NAME}",
    # One task per order, tuned as a deployment of that kind would be: a larger bulk, no results kept.
    "ALT_CLUSTERS": {
        TASK_CLUSTER: {
            "workers": TASK_WORKERS,
            "timeout": 60,
            "retry": 600,
            "queue_limit": 4 * TASK_WORKERS,
            "bulk": 10,
            "recycle": 100_000,
        }
    },
}
