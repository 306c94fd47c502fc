"""All SQL of sharing, and nothing else."""
