# SPDX-License-Identifier: Apache-2.0
"""fastae: genotype cohorts stored by autoencoders, exactly."""
