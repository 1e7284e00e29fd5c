"""matplotlib's and jinja2's ring: what people look at. Plain values in, one HTML page, plots or CSV text out."""
