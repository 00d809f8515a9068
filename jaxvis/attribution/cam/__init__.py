"""Class activation maps: where in a layer's maps the evidence for a class or neuron is."""
