/* SPDX-License-Identifier: Apache-2.0
 * Losses over symbols, with gradients. */
#include "internal.h"

#include <math.h>
#include <string.h>

#define BODY "loss_body.h"
#include "every_isa.h"
#undef BODY
#define BODY "loss_pick.h"
#include "both_reals.h"
