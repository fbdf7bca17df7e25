"""The main job without a browser: place orders in a sandbox shop, wait, check every document against its order."""
