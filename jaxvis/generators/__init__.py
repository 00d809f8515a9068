"""Networks that draw: from parameters, a code or an image to an image."""
