"""Which attribution methods enter the benchmark: all that are installed, and variants of the built-in ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mien.errors import ConfigError, ModelError, PluginError
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.parallel.worker import attempt
from mien.promises import at_work
from mien.registry import Registry

_LRP = ("epsilon", "epsilon_plus", "epsilon_plus_flat", "alpha_beta", "gamma", "epsilon_gamma_box")
VARIANTS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "integrated_gradients": {baseline: {"baseline": baseline} for baseline in ("blur", "temporal_mean")},
    "smoothgrad": {"squared": {"values": "squared"}},
    "lrp": {composite: {"composite": composite} for composite in _LRP},
}
"""By id and suffix of the name: fields of a variant.  One that equals the id's default is not explained twice."""


@dataclass(frozen=True)
class MethodList:
    """The methods by name, and those that cannot be used here, with the reason."""

    methods: Mapping[str, AttributionMethod]
    refused: Mapping[str, str]


def benchmark_methods(registry: Registry, chosen: Sequence[str] | None = None) -> MethodList:
    """Return every registered attribution method with its default fields, and the variants of `VARIANTS`.

    Parameters
    ----------
    chosen : sequence of str, optional
        Names of methods or variants, or ids, which stand for all their variants; all when None.

    Raises
    ------
    ConfigError
        When a chosen name is unknown, or none of the chosen can be used.
    """
    names = {name: id_ for id_ in registry.ids("attribution") for name in _names(id_)}
    wanted = set(names)
    if chosen is not None:
        for name in chosen:
            if name not in names and name not in names.values():
                raise ConfigError(
                    f"There is no attribution method '{name}'.",
                    where="--methods",
                    hint=registry.instead("attribution", name, names),
                )
        wanted = {name for name, id_ in names.items() if {name, id_} & set(chosen)}
    made, refused = _made(registry, {name: id_ for name, id_ in names.items() if name in wanted})
    if not made:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise ConfigError(f"None of the attribution methods can be used. {reasons}", where="--methods")
    return MethodList(made, refused)


def _names(id_: str) -> Iterator[str]:
    yield id_
    yield from (f"{id_}_{suffix}" for suffix in VARIANTS.get(id_, ()))


def _made(registry: Registry, names: Mapping[str, str]) -> tuple[dict[str, AttributionMethod], dict[str, str]]:
    made: dict[str, AttributionMethod] = {}
    refused: dict[str, str] = {}
    for name, id_ in names.items():
        fields = VARIANTS.get(id_, {}).get(name.removeprefix(f"{id_}_"), {})
        try:
            registry.require("attribution", id_)
            method: AttributionMethod = registry.create("attribution", id_, fields)
        except PluginError as error:
            refused[name] = str(error)
        except ValidationError as error:
            refused[name] = f"It cannot be made with its default fields: {error.errors()[0]['msg']}."
        else:
            made[name] = method
    return _once(made), refused


def _once(methods: Mapping[str, AttributionMethod]) -> dict[str, AttributionMethod]:
    """Return the methods without a default that one of its variants spells out."""
    spelt = {(one.use, one.model_dump_json()) for name, one in methods.items() if name != one.use}
    return {
        name: one for name, one in methods.items() if name != one.use or (one.use, one.model_dump_json()) not in spelt
    }


def fitting_methods(listed: MethodList, model: ExplainedModel) -> MethodList:
    """Return the methods that can explain a network; the others are refused, with the reason that their check gives.

    Raises
    ------
    ModelError
        When none can.
    """
    usable, refused = {}, dict(listed.refused)
    for name, method in listed.methods.items():
        # A stranger's method may fail in any way; that is no reason for the others not to take part.
        error = attempt(_checked, method, model).error
        if error is None:
            usable[name] = method
        else:
            refused[name] = str(error) if isinstance(error, PluginError) else error.message
    if not usable:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise ModelError(f"No attribution method can explain the network. {reasons}")
    return MethodList(usable, refused)


def _checked(method: AttributionMethod, model: ExplainedModel) -> None:
    with at_work(method, "check"):
        method.check(model)


def describe_methods(methods: Mapping[str, AttributionMethod]) -> dict[str, dict[str, Any]]:
    """Return what the leaderboard says of each method beside its figures, ready for JSON."""
    return {
        name: {
            "use": method.use,
            "distribution": method.provenance()["distribution"],
            "completeness": method.completeness,
            "signed": method.signed,
            "citation": method.citation,
            "version": method.version,
            "fields": method.model_dump(mode="json"),
        }
        for name, method in methods.items()
    }
