"""Market data in, one point-in-time feature table out."""
