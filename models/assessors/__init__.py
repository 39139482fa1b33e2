"""Small readouts of the latents, trained by a steering signal; one file each."""
