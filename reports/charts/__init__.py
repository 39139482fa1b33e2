"""Charts that questions declare, drawn as figures."""
