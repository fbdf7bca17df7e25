"""The WSGI door for granian."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from telemetry.shared import share

share(settings.METRICS_DIR)  # before anything counts

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from runs.wake import nudger_start  # noqa: E402 - after Django is set up
from telemetry import tracing  # noqa: E402

nudger_start()
tracing.start(role="web", **settings.TRACING)
