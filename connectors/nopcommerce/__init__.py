"""nopCommerce shops, through one of three API plug-ins."""
