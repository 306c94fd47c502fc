"""The one door: authenticates, limits, routes by the published document, and answers what it knows itself."""
