"""The SOAP transport: description, messages, dispatch."""
