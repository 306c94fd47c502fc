"""Pure decisions: who may see a dashboard, why, and what may be done with its sharing."""
