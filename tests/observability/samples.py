"""Counters before and after."""

from contextlib import contextmanager

from prometheus_client import REGISTRY

from telemetry.metrics import write_out


def sample(name, **labels):
    """A sample's present value; samples of a family that lack labels are added up."""
    write_out()
    family = name.removesuffix("_total").removesuffix("_count").removesuffix("_sum")
    return sum(
        found.value
        for metric in REGISTRY.collect()
        if metric.name == family
        for found in metric.samples
        if found.name == name and labels.items() <= found.labels.items()
    )


@contextmanager
def counted():
    """``with counted() as more: ...; more("causeway_news_total", via="webhook")`` is what was added inside."""
    write_out()
    before = {
        (found.name, tuple(sorted(found.labels.items()))): found.value
        for metric in REGISTRY.collect()
        for found in metric.samples
    }

    def more(name, **labels):
        earlier = sum(
            value for (known, pairs), value in before.items() if known == name and labels.items() <= dict(pairs).items()
        )
        return sample(name, **labels) - earlier

    yield more
