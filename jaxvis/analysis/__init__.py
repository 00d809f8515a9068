"""What a network's weights and activations are like: filters, patches, neighbours, concepts."""
