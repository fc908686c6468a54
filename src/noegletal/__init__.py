"""The machine behind the command `noegletal`: raw tables in, facts, key figures, notebooks run, reports out."""

# Before anything of Jupyter is imported: see there.
import analysis  # noqa: F401
