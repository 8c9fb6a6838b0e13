/* SPDX-License-Identifier: Apache-2.0
 * Losses over symbols, with gradients. */
#include "internal.h"

#include <math.h>

#define BODY "loss_body.h"
#include "both_reals.h"
