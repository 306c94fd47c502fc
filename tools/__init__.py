"""What the people who change Tenantry run by hand."""
