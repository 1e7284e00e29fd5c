"""What lies in a folder of images, and what its folders' names say."""

from revsearch.storage.sources.listing import Listing, listing_fingerprint
from revsearch.storage.sources.roles import assign_roles_and_labels
from revsearch.storage.sources.walk import list_folder

__all__ = ["Listing", "assign_roles_and_labels", "list_folder", "listing_fingerprint"]
