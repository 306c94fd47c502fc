"""What can be done in sharing, one module per noun."""
