"""How true heatmaps are: each file asks one question of them."""
