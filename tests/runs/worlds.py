"""An installation of the first pair, switched on, without any system behind it."""

from flows.models import Installation
from flows.services import installation_create, pair_publish
from tenants.clock import database_now
from tenants.models import Organisation
from tests.factories import ConnectionFactory


def installation_of(organisation: Organisation) -> Installation:
    """Both connections are active; their account ids differ from those of every other organisation."""
    sides = {
        connector: ConnectionFactory(
            organisation=organisation, connector=connector, account_id=f"{connector}-{organisation.pk}", state="active"
        )
        for connector in ("nopcommerce", "kashflow")
    }
    made = installation_create(
        organisation=organisation,
        version=pair_publish(pair_key="nopcommerce-kashflow", at=database_now()),
        name="Shop to books",
        source=sides["nopcommerce"],
        target=sides["kashflow"],
        reference_prefix="NOP-",
        settings={},
        start_at=database_now(),
        at=database_now(),
    )
    Installation.unscoped.filter(pk=made.pk).update(state=Installation.State.ACTIVE)
    made.refresh_from_db()
    return made
