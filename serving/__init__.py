"""The evening: score, decide, ticket, ledger."""
