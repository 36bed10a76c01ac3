"""pixmill: any archive of images in, web-ready images out, inside the memory it was given."""
