"""A nopCommerce shop: catalogue, customers, orders, and three families of API plug-ins over the same store.

The core has neither a REST API nor webhooks, so what a shop answers depends on the plug-ins installed (setting
``families``): A, the official Web API; B, resources with OAuth and webhooks; C, its living fork with passwords.
"""
