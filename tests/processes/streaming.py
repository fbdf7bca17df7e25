"""A connector whose stream is a small server over TCP, and a listener process that knows it.

``python -m tests.processes.streaming seed|listen``, with the server's address in CAUSEWAY_BASE_URL: no product setting
is left for it, and these processes have no pages.
"""

import asyncio
import copy
import json
import sys
from urllib.parse import urlsplit

import django

ACCOUNTS = ("a", "b", "c")


def connect():
    """Django with the connector in the registry."""
    django.setup()
    from dataclasses import replace

    from django.conf import settings

    from connectors.base.errors import Retryable
    from connectors.base.triggers import Delivery, Hint, StreamTrigger
    from connectors.registry import CONNECTORS
    from tests.runs import fakes

    class Told(StreamTrigger):
        """Sends again what was not acknowledged."""

        key, title, record_types = "told", "Told", ("order",)

        async def listen(self, ctx, position):
            server = urlsplit(settings.BASE_URL)
            try:
                reader, writer = await asyncio.open_connection(server.hostname, server.port)
            except OSError as error:
                raise Retryable(f"The stream could not be opened: {error}") from error

            async def say(word):
                writer.write(json.dumps(word).encode() + b"\n")
                await writer.drain()

            try:
                await say({"account": ctx.account_id, "position": position})
                while line := await reader.readline():
                    number = json.loads(line)["number"]
                    hint = Hint("order", f"{ctx.account_id}{number}", "told", account_id=ctx.account_id)
                    yield Delivery((hint,), {"number": number}, lambda number=number: say({"done": number}))
            except ConnectionError as error:
                raise Retryable(f"The stream broke: {error}") from error
            finally:
                writer.close()

    CONNECTORS["fakestream"] = replace(fakes.connector("fakestream"), streams=(Told,))
    CONNECTORS["fakebooks"] = fakes.CONNECTORS["fakebooks"]


def seed():
    """One installation per account of the server."""
    from flows.models import PairVersion
    from runs.polling import cursors_prepare
    from tests.factories import NOW, ConnectionFactory, InstallationFactory, OrganisationFactory
    from tests.runs import fakes

    document = copy.deepcopy(fakes.PAIR)
    document["pair"]["source"]["connector"] = "fakestream"
    version = PairVersion.objects.create(
        pair_key="fake-pair", digest="streaming", number=1, title="Streams", document=document, created_at=NOW
    )
    for account in ACCOUNTS:
        organisation = OrganisationFactory(slug=f"shop-{account}")
        source = ConnectionFactory(
            organisation=organisation, connector="fakestream", account_id=account, credentials={"k": "v"}
        )
        target = ConnectionFactory(organisation=organisation, connector="fakebooks", credentials={"k": "v"})
        installation = InstallationFactory(
            organisation=organisation, pair_version=version, source=source, target=target
        )
        cursors_prepare(installation)


if __name__ == "__main__":
    connect()
    if sys.argv[1] == "seed":
        seed()
    else:
        from django.core.management import call_command

        call_command("listen")
