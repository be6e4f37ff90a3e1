"""The laboratory: labels to walk-forward, tuning, tracking, promotion, back-tests."""
