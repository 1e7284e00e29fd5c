"""What a collection of hostile files comes to, by its table."""

READABLE = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "MPO"}  # formats, as Pillow calls them

# By hand, a row of the table each; every other made file is a sound picture.
MADE = {
    "made_zero_bytes.jpg": "empty",
    "made_html_error_page.jpg": "not_an_image",
    "made_text.png": "not_an_image",
    "made_svg.svg": "not_an_image",
    "made_truncated_half.jpg": "truncated",
    "made_truncated_progressive_40.jpg": "truncated",
    "made_only_header.jpg": "truncated",
    "made_flipped_bytes.jpg": "corrupt",
    "made_bomb_20000x20000_1bit.png": "too_many_pixels",
    "made_claims_60000x60000.png": "too_many_pixels",
    "made_wide_4000x1.png": "too_extreme",
}
