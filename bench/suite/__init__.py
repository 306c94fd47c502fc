"""What every benchmark is made of: contenders, goals, alternating rounds, and the report."""
