/* SPDX-License-Identifier: Apache-2.0
 * Optimisers: one step over a flat vector of parameters. */
#include "internal.h"

#include <math.h>

#define BODY "optim_body.h"
#include "both_reals.h"
