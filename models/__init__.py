"""What predicts, and why it says so."""
