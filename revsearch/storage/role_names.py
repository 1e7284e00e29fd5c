"""How folders and lists write roles."""

from revsearch.manifest import Role

ROLE_NAMES: dict[str, Role] = {
    "query": "query",
    "queries": "query",
    "gallery": "gallery",
    "distractor": "distractor",
    "distractors": "distractor",
    "train": "train",
}
