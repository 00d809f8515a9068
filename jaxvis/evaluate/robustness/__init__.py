"""How robust a network is, and whether the attacks that say so can be trusted."""
