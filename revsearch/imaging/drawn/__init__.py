"""What drawn pictures are made of: a pen, things, the scenes they stand in, and files that are broken on purpose."""
