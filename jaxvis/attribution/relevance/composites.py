"""Which rule is for which layer of a network."""

from dataclasses import dataclass

from jaxvis.attribution.relevance.rules import Rule


@dataclass(frozen=True)
class Composite:
    """The rules of a network's layers.

    Args:
      convolutions: of convolutions behind the first layer.
      dense: of fully connected layers.
      first: of the first layer; None for the rule of its kind.

    Source: Montavon et al., LRP: an overview (2019), for a rule of each depth; the names are
      those of the literature.
    """

    convolutions: Rule
    dense: Rule = Rule("epsilon")
    first: Rule | None = None


COMPOSITES = {
    "epsilon": Composite(Rule("epsilon")),
    "epsilon_plus": Composite(Rule("z_plus")),
    "epsilon_plus_flat": Composite(Rule("z_plus"), first=Rule("flat")),
    "epsilon_gamma_box": Composite(Rule("gamma"), first=Rule("z_box")),
    "epsilon_alpha2_beta1": Composite(Rule("alpha_beta")),
    "epsilon_alpha2_beta1_flat": Composite(Rule("alpha_beta"), first=Rule("flat")),
}
"""Name -> composite."""


def choose_composite(rules: str | Rule | Composite) -> Composite:
    """Returns a composite by its name, or that of one rule for all layers.

    Args:
      rules: a name of `COMPOSITES`, a `Composite`, or a `Rule`.

    Raises:
      ValueError: for an unknown name; lists the known ones.
    """
    if isinstance(rules, Composite):
        return rules
    if isinstance(rules, Rule):
        return Composite(rules, rules)
    if rules not in COMPOSITES:
        raise ValueError(f"rules is one of {', '.join(COMPOSITES)}, or a Composite; not {rules!r}")
    return COMPOSITES[rules]
