"""SAML 2.0, as a service provider: reading a provider's metadata, asking for a sign-in, and judging what it answers. Nothing here waits."""
