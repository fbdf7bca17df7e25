"""What is measured, one module per question. Each has ``measure(bench)``, which returns its part of the JSON."""
