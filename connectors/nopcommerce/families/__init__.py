"""One module per API plug-in: the same questions asked in three dialects."""
