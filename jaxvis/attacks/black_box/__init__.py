"""Attacks that ask a network, and see neither its weights nor its gradient."""
