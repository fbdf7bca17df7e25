"""What the plug-ins keep beside the shop's own tables: secrets, API clients, tokens, webhook registrations."""

import random
from dataclasses import dataclass, field
from typing import Any

from sandbox.common.jsonable import from_json, to_json

CLIENT_ID, CLIENT_SECRET = "sandbox-client", "sandbox-client-secret"


@dataclass
class ApiClient:
    """A client of family B as an administrator registers it. No ``callback_url``: any is accepted."""

    client_id: str
    client_secret: str
    callback_url: str | None = None
    active: bool = True


@dataclass
class Grant:
    """A code, an access token or a refresh token of family B; ``expires`` in epoch seconds."""

    client_id: str
    customer_id: int
    expires: float
    redirect_uri: str | None = None


@dataclass
class Registration:
    """A webhook registration; ``owner`` is client and store, each pair sees its own only."""

    id: str
    owner: str
    uri: str
    secret: str
    filters: list[str]
    description: str | None = None
    is_paused: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass
class PluginState:
    secret: str
    clients: dict[str, ApiClient] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, Grant] = field(default_factory=dict)
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    counter: int = 0

    @classmethod
    def fresh(cls, seed: int) -> "PluginState":
        client = ApiClient(CLIENT_ID, CLIENT_SECRET)
        secret = f"{random.Random(f'plug-ins {seed}').getrandbits(256):064x}"
        return cls(secret=secret, clients={client.client_id: client})

    def next_text(self, purpose: str) -> str:
        """32 hex digits, different each time, the same again for the same seed and calls."""
        self.counter += 1
        return f"{random.Random(f'{self.secret} {purpose} {self.counter}').getrandbits(128):032x}"

    def dump(self) -> dict[str, Any]:
        return to_json(self)

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> "PluginState":
        return from_json(cls, stored)
