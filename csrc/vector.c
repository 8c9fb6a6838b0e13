/* SPDX-License-Identifier: Apache-2.0
 * Vector primitives of the float kernels: the body for this CPU. */
#include "amx.h"

#include <math.h>
#include <string.h>

#define BODY "vector_body.h"
#include "every_isa.h"
#undef BODY
#define BODY "vector_pick.h"
#include "both_reals.h"
