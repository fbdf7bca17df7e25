"""Who is asking: organisations, members, roles, invitations, sealing keys, the audit log."""
