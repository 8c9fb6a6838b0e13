/* SPDX-License-Identifier: Apache-2.0
 * Static-inline helpers shared by kernels. */
#ifndef FASTAE_INTERNAL_H
#define FASTAE_INTERNAL_H

#include "fastae.h"

#endif
