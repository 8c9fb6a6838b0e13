# SPDX-License-Identifier: Apache-2.0
"""Predictor 2, `pbwt`: sorted columns, in two streams from one in the middle to either side: §5.8."""

import copy

import numpy as np

from .data import Bytes, check
from .sorted_columns import SortedColumns


def read_block(data, table, n_rows):
    """§5.8: the matrix of a block, of all columns of the table."""
    source = Bytes(data)
    matrix = np.zeros((len(table.columns), n_rows), bool)
    for numbers, stream in zip(table.of_alleles, (source.counted(), source.rest()), strict=True):
        matrix[numbers] = read_stream(stream, len(numbers), n_rows)
    return matrix


def read_stream(data, n_columns, n_rows):
    """§5.8, "A stream": two wings."""
    matrix = np.zeros((n_columns, n_rows), bool)
    if n_columns == 0:
        check(not data, "a stream of no columns has bytes")
        return matrix
    source = Bytes(data)
    middle = source.varint()
    check(middle <= n_columns, "a stream begins behind its last column")
    right, left = source.counted(), source.rest()
    n_lead = min(2048, (n_columns - middle) // 4)
    learnt = None
    if middle < n_columns:
        wing = SortedColumns(right, n_rows)
        for i, number in enumerate(range(middle, n_columns)):
            if i == n_lead > 0:
                learnt = copy.deepcopy(wing.learnt)
            matrix[number] = wing.column()
        wing.finish()
    else:
        check(not right, "a wing of no columns has bytes")
    if middle > 0:
        wing = SortedColumns(left, n_rows, learnt=learnt)
        for number in range(middle + n_lead - 1, middle - 1, -1):
            wing.order.follow(matrix[number])
        for number in range(middle - 1, -1, -1):
            matrix[number] = wing.column()
        wing.finish()
    else:
        check(not left, "a wing of no columns has bytes")
    return matrix
