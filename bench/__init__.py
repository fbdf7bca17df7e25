"""Measures the product against what the hardware allows: ``./run bench``. The product does not know this package."""
