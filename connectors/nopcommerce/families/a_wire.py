"""How family A spells moments and lists, and what its modules share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from connectors.base.records import Address
from connectors.nopcommerce.entities import to_address
from connectors.nopcommerce.families.base import SLOW_FACTS_SECONDS, Memory, ShopFamily
from connectors.nopcommerce.families.calls import Calls
from connectors.nopcommerce.setup import Setup
from connectors.nopcommerce.shapes import AddressShape, CountryShape, StateShape, parse, parse_all


def as_utc_text(moment: datetime | None) -> str | None:
    """``2026-03-04T10:14:12.345678Z``: the shop reads it as UTC; a naive text would be its server's local time."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def joined(ids: Iterable[int]) -> str:
    """Lists of ids are one text joined by semicolons."""
    return ";".join(str(number) for number in sorted(ids))


class PartOfA(ShopFamily):
    """Common ground of family A's parts."""

    def __init__(self, calls: Calls, setup: Setup, memory: Memory, now: Callable[[], datetime]) -> None:
        super().__init__(setup, memory)
        self.calls = calls
        self.now = now

    async def address(self, address_id: int | None) -> AddressShape | None:
        if not address_id:
            return None
        body = await self.calls.read(
            f"Address/GetById/{address_id}", operation="GET Address/GetById", what=f"Address {address_id}"
        )
        return parse(AddressShape, body, f"Address {address_id}") if body else None

    async def state(self, state_id: int) -> StateShape | None:
        async def load() -> StateShape | None:
            body = await self.calls.read(
                f"StateProvince/GetById/{state_id}", operation="GET StateProvince/GetById", what=f"State {state_id}"
            )
            return parse(StateShape, body, f"State {state_id}") if body else None

        loader: Callable[[], Awaitable[StateShape | None]] = load
        return await self.memory(f"state:{state_id}", SLOW_FACTS_SECONDS, loader)

    async def printed(self, shape: AddressShape | None) -> Address | None:
        """An address with codes. A state is read only where the county does not already name the region."""
        if shape is None:
            return None
        countries = await self.memory("countries", SLOW_FACTS_SECONDS, self._countries)
        state_id = shape.state_province_id
        state = await self.state(state_id) if state_id and not shape.county else None
        return to_address(shape, countries, state)

    async def _countries(self) -> dict[int, CountryShape]:
        body = await self.calls.read(
            "Country/GetAllCountries",
            operation="GET Country/GetAllCountries",
            what="Countries",
            params={"showHidden": True},
        )
        return {country.id: country for country in parse_all(CountryShape, body, "Countries")}
