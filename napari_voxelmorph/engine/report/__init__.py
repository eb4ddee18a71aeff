"""A registration on paper: numbers for machines, one page of pictures for people."""
