"""The notebook's side: magics, cards, and the runner of cells inside jobs."""
