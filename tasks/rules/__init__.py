"""What is decided: pure functions; time is an argument."""
