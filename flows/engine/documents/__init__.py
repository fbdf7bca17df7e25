"""From canonical orders to ledger documents that are exact to the penny. Pure: records in, records out, no I/O."""
