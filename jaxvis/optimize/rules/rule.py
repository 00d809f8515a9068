"""An optimizer whose learning rate is not compiled in."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import optax

from jaxvis.pytrees import register_parts


@register_parts("learning_rate")
@dataclass(frozen=True)
class Rule:
    """An optimizer: how it is built, and its learning rate.

    Two rules that differ in their learning rate share one compiled program.

    Args:
      build: `(learning_rate, **options) -> optax.GradientTransformation`; it must take
        a traced learning rate, as optax's own optimizers do.
      learning_rate: in the units that `build` gives it.
      options: (name, value) pairs, compiled in.

    >>> import optax
    >>> import jaxvis
    >>> jaxvis.optimizers.Rule(optax.sgd, 0.1, (("momentum", 0.9),))
    Rule(sgd, 0.1, momentum=0.9)
    """

    build: Callable[..., optax.GradientTransformation]
    learning_rate: Any
    options: tuple[tuple[str, Any], ...] = ()

    def transformation(self) -> optax.GradientTransformation:
        """Builds the optax transformation; done anew wherever a program is traced."""
        return self.build(self.learning_rate, **dict(self.options))

    def __repr__(self) -> str:
        """Says what builds it, and its numbers, without an address in memory."""
        build: Callable = self.build
        options = dict(self.options)
        if isinstance(build, partial):  # as optax has nadam
            options = {**build.keywords, **options}
            build = build.func
        said = "".join(f", {name}={value!r}" for name, value in options.items())
        return f"Rule({build.__name__}, {self.learning_rate!r}{said})"


Optimizer: TypeAlias = Rule | optax.GradientTransformation
"""What every method takes as `optimizer`: a rule, or an optax transformation, which is
compiled in whole and should be built once."""


def transformation_of(optimizer: Optimizer) -> optax.GradientTransformation:
    """Gives the optax transformation of a rule, or a transformation itself.

    Args:
      optimizer: either.

    >>> import jaxvis
    >>> transformation = jaxvis.optimizers.transformation_of(jaxvis.optimizers.sgd(0.5))
    >>> updates, _ = transformation.update(2.0, transformation.init(0.0))
    >>> float(updates)
    -1.0
    """
    return optimizer.transformation() if isinstance(optimizer, Rule) else optimizer
