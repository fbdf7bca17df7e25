from bench.figures import percentile, ratio


def test_percentile_is_the_nearest_rank():
    values = [float(number) for number in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 1.0) == 100.0
    assert percentile([7.0], 0.99) == 7.0


def test_percentile_of_nothing_is_nothing():
    assert percentile([], 0.5) == 0.0


def test_ratio_of_something_to_nothing_is_no_figure():
    assert ratio(10.0, 0.0) == 0.0
    assert ratio(1.0, 3.0) == 0.333
