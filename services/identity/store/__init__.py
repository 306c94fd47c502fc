"""All SQL of identity, one module per noun."""
