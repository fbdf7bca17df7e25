"""What an account does with what it is told, whichever transport told it. Raises ``Refused``."""
