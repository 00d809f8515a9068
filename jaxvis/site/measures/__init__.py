"""What is known of every unit of a network beside pictures, written into a sweep's folder."""
