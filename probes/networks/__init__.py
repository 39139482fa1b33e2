"""Several networks beside one another: addresses of concepts, and alignment of representations."""
