"""Live data, one small module per provider; `features.sources.fetch` calls them."""
