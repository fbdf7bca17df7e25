"""The REST v2 transport: sessions, lists, business codes in place of internal ids."""
