"""One YAML file configures a run."""

from mien.config.run_config import ExplainSettings, RunConfig, dump

__all__ = ["ExplainSettings", "RunConfig", "dump"]
