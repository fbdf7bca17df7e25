"""KashFlow, a UK accounting service: SOAP first, REST v2 as a second way to the same account. See NOTES.md."""
