"""The two resource-style plug-ins: the older one with OAuth and webhooks (B) and its living fork (C)."""
