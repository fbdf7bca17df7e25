"""What the running system tells of itself: counters, traces, log lines' context. Plain Python, seen by every room."""
