"""Whom we may talk to: consent, sealed credentials, health, rate budgets and circuit state."""
