"""All SQL of org, one file per noun. Every query names its organization, whatever row-level security does."""
