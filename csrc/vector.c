/* SPDX-License-Identifier: Apache-2.0
 * Vector primitives of the float kernels. */
#include "internal.h"

#include <math.h>

#define BODY "vector_body.h"
#include "both_reals.h"
