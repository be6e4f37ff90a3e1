"""One small module a venue family: raw records in, canonical events out."""
