"""Demo of the pair nopCommerce → KashFlow: the orders it places, how it drives the shop, how it checks the books."""
