"""Adversarial images: how little it takes to change what a network says.

They measure and harden one's own networks.
"""

from jaxvis.attacks.apgd import apgd
from jaxvis.attacks.apgd_targeted import apgd_t
from jaxvis.attacks.autoattack import autoattack
from jaxvis.attacks.black_box.boundary import boundary
from jaxvis.attacks.black_box.hop_skip_jump import hop_skip_jump
from jaxvis.attacks.black_box.spsa import spsa
from jaxvis.attacks.fab import fab, fab_t
from jaxvis.attacks.first_order import pgd
from jaxvis.attacks.first_order_simple import bim, fgsm, mi_fgsm
from jaxvis.attacks.minimal.carlini_wagner import carlini_wagner
from jaxvis.attacks.minimal.ddn import ddn
from jaxvis.attacks.minimal.deepfool import deepfool
from jaxvis.attacks.minimal.elastic_net import elastic_net
from jaxvis.attacks.minimal.fmn import fmn
from jaxvis.attacks.minimal.jsma import jsma
from jaxvis.attacks.penalty import penalty
from jaxvis.attacks.physical import physical_view, survival_rate
from jaxvis.attacks.sets.patch import Placement, adversarial_patch, apply_patch
from jaxvis.attacks.sets.transfer import transfer_table
from jaxvis.attacks.sets.universal import universal
from jaxvis.attacks.square import square

__all__ = [
    "Placement",
    "adversarial_patch",
    "apgd",
    "apgd_t",
    "apply_patch",
    "autoattack",
    "bim",
    "boundary",
    "carlini_wagner",
    "ddn",
    "deepfool",
    "elastic_net",
    "fab",
    "fab_t",
    "fgsm",
    "fmn",
    "hop_skip_jump",
    "jsma",
    "mi_fgsm",
    "penalty",
    "pgd",
    "physical_view",
    "spsa",
    "square",
    "survival_rate",
    "transfer_table",
    "universal",
]
