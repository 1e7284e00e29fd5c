from typing import get_args

from jobs.command import ProfileName
from jobs.profiles import PROFILES, profile
from revsearch.specs import Resources, problems


def test_every_name_that_the_flag_takes_has_a_sound_profile():
    assert set(PROFILES) == set(get_args(ProfileName))
    for name in PROFILES:
        assert problems(profile(name)) == []


def test_the_laptop_is_the_declared_default_so_that_help_is_right():
    assert profile("laptop") == Resources()
