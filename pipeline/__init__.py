"""The engine of Écluse: text becomes a definition, a plan, a run, and a release in an environment."""

__version__ = "0.1.0"
