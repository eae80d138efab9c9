"""The simulation finds the mutants: each is a plausible fault, and the page says which seed shows it."""

import subprocess

import pytest

from stargate_lab.host.paths import REPO
from tests.simulation import mutation
from tests.simulation.mutation import MOST_SEEDS, Mutant

MUTANTS = mutation.mutants()
PAGE = mutation.PAGE.read_text()
QUICK = "no-fence"
"""Many seeds find it."""


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_mutant_applies_and_says_what_is_wrong(mutant: Mutant) -> None:
    subprocess.run(["git", "apply", "--check", str(mutant.path)], cwd=REPO, check=True)
    assert mutant.description.endswith(".")
    assert not mutant.description.startswith("---")


def test_descriptions_of_mutants_differ() -> None:
    assert len({mutant.description for mutant in MUTANTS.values()}) == len(MUTANTS) >= 40


def test_page_says_which_seed_finds_each_mutant() -> None:
    found = mutation.known()
    assert set(found) == set(MUTANTS)
    assert all(each.seed < MOST_SEEDS and each.violation for each in found.values())
    assert mutation.page(PAGE, found) == PAGE, "run `make mutants`"


def test_mutant_is_found_from_its_seed() -> None:
    seed = mutation.known()[QUICK].seed
    found = mutation.hunt(MUTANTS[QUICK], first=seed, seeds=20)
    assert found is not None
    assert found.seed >= seed
    assert "invariant 10" in found.violation
