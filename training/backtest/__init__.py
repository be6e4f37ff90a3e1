"""Replications first, then replays of the policy over walk-forward forecasts."""
