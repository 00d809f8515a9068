"""How true heatmaps are: what they promise against what the network does."""
