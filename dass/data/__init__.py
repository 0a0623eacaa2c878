"""Images: where they come from, and the tasks made of them."""
