"""The table of options that a stage records."""

from dataclasses import replace

import pytest
from settings import FEATURE_CRF, PSA

from wsss.options.flat import recorded


def test_tables_and_groups_become_one_table():
    table = recorded({"alpha": 4}, PSA, feature_crf=FEATURE_CRF)
    assert table["alpha"] == 4 and table["steps"] == PSA.steps
    assert table["feature_crf.steps"] == FEATURE_CRF.steps and table["feature_crf.weight"] == FEATURE_CRF.weight


def test_two_options_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two options are recorded as steps"):
        recorded({"steps": 256}, replace(PSA, steps=10))
