"""Hosts in network namespaces of their own, joined by a bridge; a host is cut off by taking its link down."""

from __future__ import annotations

import os
import shutil
import subprocess

from demo.stack import free_port

BRIDGE_NET = "10.77"


class Namespaces:
    """``with Namespaces(2) as net``: ``net.prefix(0)`` before a command runs it on host 0."""

    def __init__(self, hosts: int) -> None:
        mark = free_port() % 10000
        self._bridge = f"cwb{mark}"
        self._names = [f"cw{mark}-{number}" for number in range(hosts)]
        self._links = [f"cwv{mark}{number}" for number in range(hosts)]
        self._net = f"{BRIDGE_NET}.{mark % 250}"
        self.root = f"{self._net}.1"

    @staticmethod
    def possible() -> bool:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            return False
        probe = "cw-probe"
        made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True).returncode == 0
        if made:
            subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True)
        return made

    def __enter__(self) -> Namespaces:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.root}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for number, (name, link) in enumerate(zip(self._names, self._links, strict=True)):
            _ip("netns", "add", name)
            _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", link, "master", self._bridge, "up")
            for command in (
                ("addr", "add", f"{self.address(number)}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-n", name, *command)
        return self

    def __exit__(self, *exc: object) -> None:
        for name in self._names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self._bridge], check=False, capture_output=True)

    def address(self, number: int) -> str:
        return f"{self._net}.{number + 2}"

    def prefix(self, number: int) -> list[str]:
        return ["ip", "netns", "exec", self._names[number]]

    def cut(self, number: int) -> None:
        _ip("link", "set", self._links[number], "down")

    def join(self, number: int) -> None:
        _ip("link", "set", self._links[number], "up")


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True)
