/* SPDX-License-Identifier: Apache-2.0
 * Losses over symbols, with gradients. */
#include "internal.h"

#include <math.h>
#include <string.h>

/* Cells are summed in parts, and the parts in order, so that the sum is the same for every number of threads. */
#define PARTS_MAX 64
#define PART_MIN 8192     /* cells: a multiple of every body's block */
#define THREAD_CELLS 65536 /* that a thread must have to be worth its start */

static size_t
loss_part_cells(size_t n)
{
    return PART_MIN * (n / (PART_MIN * PARTS_MAX) + 1);
}

#define BODY "loss_body.h"
#include "every_isa.h"
#undef BODY
#define BODY "loss_pick.h"
#include "both_reals.h"
