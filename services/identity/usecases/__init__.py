"""What can be done with accounts, credentials and sessions; one module per noun."""
