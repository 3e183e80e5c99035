"""Whether methods and analyzers can work with the network; it is made for them, untrained, where they look at it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mien.config.problems import ConfigProblem, as_error
from mien.config.run_config import LabelledConfig
from mien.errors import ConfigError, DataError, MienError, ModelError, PluginError
from mien.interfaces import Analyzer, AttributionMethod
from mien.interfaces.component import Component
from mien.promises import at_work, broken

if TYPE_CHECKING:
    from torch import nn

    from mien.interfaces import Backbone, ExplainedModel

_KINDS = (ConfigError, PluginError, DataError, ModelError)


def network_misfits(config: LabelledConfig, told: Collection[str]) -> tuple[list[ConfigProblem], str]:
    """Return what of a configuration does not fit its network; pretrained weights are neither needed nor fetched.

    Torch is imported, and the network made, only where a method or an analyzer has a check of its own.

    Parameters
    ----------
    told : collection of str
        Keys of problems that are known; what is in one of these parts is not asked.

    Returns
    -------
    problems : list of ConfigProblem
    unchecked : str
        What could not be checked, and why; empty when all was.
    """
    parts: dict[str, AttributionMethod | Analyzer] = {
        **method_parts(config.explain.methods),
        **analyzer_parts(config.analyzers),
    }
    looking = {
        key: part
        for key, part in parts.items()
        if _has_own_check(part) and not any(f"{known}.".startswith(f"{key}.") for known in told)
    }
    if not looking:
        return [], ""
    try:
        network = untrained(config.backbone, config.objective.outputs)
    except MienError as error:
        return [], f"Not checked with the network, which cannot be made here: {', '.join(looking)}. {error}"
    try:
        model = described(config.backbone, network)
    except MienError as error:
        return [_problem(_placed("backbone", config.backbone, error))], ""
    return [_problem(error) for error in refusals(looking, lambda part: part.check(model), "check")], ""


def _has_own_check(part: AttributionMethod | Analyzer) -> bool:
    # What the default of methods looks at is known without a network: see `mien.config.check`.
    return type(part).check not in (AttributionMethod.check, Analyzer.check)


def method_parts(methods: Mapping[str, AttributionMethod]) -> dict[str, AttributionMethod]:
    """Return attribution methods by their keys in the configuration."""
    return {f"explain.methods.{name}": method for name, method in methods.items()}


def analyzer_parts(analyzers: Mapping[str, Analyzer]) -> dict[str, Analyzer]:
    """Return analyzers by their keys in the configuration."""
    return {f"analyzers.{name}": analyzer for name, analyzer in analyzers.items()}


def untrained(backbone: Backbone, outputs: int) -> nn.Module:
    """Return the network of a backbone with random weights; the global random state is left alone.

    Raises
    ------
    MienError
        When it cannot be made here.
    """
    import torch

    with at_work(backbone, "architecture"), torch.random.fork_rng(devices=[]):
        network = backbone.architecture(outputs)
    if not isinstance(network, torch.nn.Module):
        raise broken(backbone, f"It made {type(network).__name__}.", "'architecture' returns an nn.Module")
    return network.eval()


def described(backbone: Backbone, network: nn.Module) -> ExplainedModel:
    """Return a network with what its backbone says of it."""
    from mien.training.checkpoint import explained_model

    with at_work(backbone, "stages"):
        return explained_model(backbone, network)


def refusals(parts: Mapping[str, Component], ask: Callable[[Any], object], call: str) -> Iterator[MienError]:
    """Yield what components answer that cannot work, each error with its place in the configuration as ``where``.

    Parameters
    ----------
    parts : mapping of str to Component
        By their keys in the configuration.
    ask : callable
        Raises a `MienError` for a component that cannot work.
    call : str
        The method that it calls.
    """
    for key, part in parts.items():
        try:
            with at_work(part, call):
                ask(part)
        except MienError as error:
            yield _placed(key, part, error)


def _placed(key: str, part: Component, error: MienError) -> MienError:
    """Return an error by its key; its own ``where`` is a field of the component, or says whose fault it is."""
    where = error.where or ""
    kind = next((kind for kind in _KINDS if isinstance(error, kind)), MienError)
    if re.split(r"[.\[]", where)[0] in type(part).model_fields:
        placed = kind(error.message, where=f"{key}.{where}", hint=error.hint)
    else:
        placed = kind(f"{where}: {error.message}" if where else error.message, where=key, hint=error.hint)
    placed.__cause__ = error
    return placed


def raise_all(refused: list[MienError]) -> None:
    """Raise the only error there is, or one that lists all; nothing when there is none."""
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise as_error([_problem(error) for error in refused], "the configuration")


def _problem(error: MienError) -> ConfigProblem:
    return ConfigProblem(error.where or "", error.message, error.hint or "")
