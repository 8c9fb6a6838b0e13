/* SPDX-License-Identifier: Apache-2.0 */
#include "fastae.h"

const char *
fae_strerror(int error)
{
    switch (error) {
        case 0:
            return "no error";
        case FAE_ERR_INTERNAL:
            return "internal error";
        case FAE_ERR_SYMBOL:
            return "a symbol lies outside the alphabet";
        case FAE_ERR_BITS:
            return "bits per value must be 1 to 8";
        case FAE_ERR_TABLE:
            return "a table of parameters or frequencies is not valid";
        case FAE_ERR_CORRUPT:
            return "the stream is corrupt";
        case FAE_ERR_TRUNCATED:
            return "the stream ends too early";
        case FAE_ERR_CAPACITY:
            return "the output buffer is too small";
        default:
            return "unknown error";
    }
}
