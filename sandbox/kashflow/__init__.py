"""Stand-in for the accounting service KashFlow: SOAP and REST v2 over one store per company."""

from sandbox.kashflow.standin import KashFlow

__all__ = ["KashFlow"]
