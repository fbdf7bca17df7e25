"""What a connector is made of: the contract every folder beside this one fulfils. Plain Python, no Django."""
