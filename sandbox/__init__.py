"""Stand-ins for the outside systems: own HTTP servers with own state and faults on demand.

Written from the providers' documents, not from our clients, and sharing no code with the product: only so does a
test of a client against a stand-in mean something. Start one with ``python -m sandbox <name>``.
"""
