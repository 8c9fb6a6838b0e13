# SPDX-License-Identifier: Apache-2.0
# cython: language_level=3, embedsignature=True, freethreading_compatible=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""One thin function per C kernel: types, sizes, nogil, check(); no ideas.

Contracts: csrc/fastae.h; types: _core.pyi.
"""
include "_core_common.pxi"   # error map, CPU features
include "_core_arrays.pxi"   # what an array must be
include "_core_dense.pxi"    # dense stacks
include "_core_training.pxi"  # alphabets, losses, optimisers
include "_core_coders.pxi"   # bits, rANS, integer decoder
include "_core_gaps.pxi"     # the coder of gaps
include "_core_pbwt.pxi"    # columns by the positional Burrows-Wheeler transform,
include "_core_guided.pxi"  # and guided by a decoder
include "_core_phase.pxi"   # phasing, for compression
include "_core_runs.pxi"    # the same, sooner read
include "_core_mosaic.pxi"  # dosages by mosaics of the other samples
include "_core_sites.pxi"    # positions, alleles and IDs of sites
include "_core_sums.pxi"    # sums over columns that are not unpacked
