"""Adversarial images: how little it takes to change what a network says.

They measure and harden one's own networks.
"""

from jaxvis.attacks.first_order import pgd
from jaxvis.attacks.first_order_simple import bim, fgsm, mi_fgsm

__all__ = ["bim", "fgsm", "mi_fgsm", "pgd"]
