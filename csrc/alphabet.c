/* SPDX-License-Identifier: Apache-2.0
 * Symbols to their codes, and codes to levels. */
#include "internal.h"

#include <math.h>
#include <string.h>

#define LOOKED_UP 1024 /* symbols looked up before any is asked whether it was foreign: that loop has no way out */

size_t
fae_alphabet_codes(const uint8_t *symbols, size_t n, const int8_t *code_of, int8_t *codes)
{
    for (size_t start = 0; start < n; start += LOOKED_UP) {
        size_t end = fae_min(n, start + LOOKED_UP);
        int8_t lowest = 0;

        for (size_t i = start; i < end; i++) {
            codes[i] = code_of[symbols[i]];
        }
        for (size_t i = start; i < end; i++) {
            lowest = codes[i] < lowest ? codes[i] : lowest;
        }
        for (size_t i = start; lowest < -1 && i < end; i++) {
            if (codes[i] < -1) {
                return i;
            }
        }
    }
    return n;
}

#define BODY "alphabet_body.h"
#include "every_isa.h"
#undef BODY
#define BODY "alphabet_pick.h"
#include "both_reals.h"
