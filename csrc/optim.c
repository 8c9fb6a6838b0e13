/* SPDX-License-Identifier: Apache-2.0
 * Optimisers: one step over a flat vector of parameters. */
#include "internal.h"

#include <math.h>
#include <string.h>

#define BODY "optim_body.h"
#include "every_isa.h"
#undef BODY
#define BODY "optim_pick.h"
#include "both_reals.h"
