"""What in an image makes a class or neuron respond: heatmaps."""
