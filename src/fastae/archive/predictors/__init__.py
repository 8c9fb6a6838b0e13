# SPDX-License-Identifier: Apache-2.0
"""The predictors a block can be coded with: one file each, chosen per block by measured bytes."""

from fastae.archive.predictors import autoencoder, frequency, mosaic, pbwt, runs

PREDICTORS = {module.NAME: module.NUMBER for module in (frequency, autoencoder, pbwt, runs, mosaic)}
