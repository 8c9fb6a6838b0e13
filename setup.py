# SPDX-License-Identifier: Apache-2.0
"""The one extension module; all metadata is in pyproject.toml."""

from glob import glob

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

core = Extension(
    "fastae._core",
    ["src/fastae/_core.pyx", *sorted(glob("csrc/*.c"))],
    include_dirs=["csrc", np.get_include()],
    depends=[*glob("csrc/*.h"), *glob("src/fastae/_core_*.pxi")],
    # Baseline ISA only: faster bodies are chosen at run time. No -ffast-math: results must not depend on flags.
    extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden"],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    libraries=["m", "pthread"],
)
setup(ext_modules=cythonize([core], compiler_directives={"language_level": "3"}))
