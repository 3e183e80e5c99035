"""One YAML file configures a run."""

from mien.config.run_config import ExplainConfig, ExplainSettings, RunConfig, dump

__all__ = ["ExplainConfig", "ExplainSettings", "RunConfig", "dump"]
