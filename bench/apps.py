from django.apps import AppConfig


class BenchConfig(AppConfig):
    name = "bench"

    def ready(self) -> None:
        """Register the two stand-in connectors; the product's own list does not name them."""
        from bench.sixcall import CONNECTORS as OURS
        from connectors.registry import CONNECTORS

        CONNECTORS.update(OURS)
