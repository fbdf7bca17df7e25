"""The kill matrix covers every write operation there is, and its short form takes turns through all of it."""

from chaos.cases import CASES
from chaos.faults import MOMENTS
from chaos.matrix import VICTIMS, cells_of
from connectors.base.actions import WriteAction
from connectors.registry import CONNECTORS


def test_every_write_operation_of_every_connector_has_a_row():
    writes = {
        (connector.key, action.key)
        for connector in CONNECTORS.values()
        for action in connector.actions
        if issubclass(action, WriteAction)
    }
    assert {(case.connector, case.operation) for case in CASES} == writes
    assert len(CASES) == len(writes)


def test_the_matrix_is_each_row_at_each_moment_with_each_victim():
    cells = {(id(cell.case), cell.moment, cell.victim) for cell in cells_of(short=False, seed=0)}
    assert len(cells) == len(CASES) * len(MOMENTS) * len(VICTIMS)


def test_the_short_form_kills_every_operation_and_comes_round_to_every_cell():
    met = set()
    for seed in range(len(MOMENTS) * len(VICTIMS)):
        cells = cells_of(short=True, seed=seed)
        assert [cell.case for cell in cells] == list(CASES)
        assert {cell.moment for cell in cells} == set(MOMENTS) and {cell.victim for cell in cells} == set(VICTIMS)
        met |= {(id(cell.case), cell.moment, cell.victim) for cell in cells}
    assert len(met) == len(CASES) * len(MOMENTS) * len(VICTIMS)
