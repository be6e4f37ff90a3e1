"""One module per provider or file format."""
