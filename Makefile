# SPDX-License-Identifier: Apache-2.0
# The C alone: strict warnings, tests under sanitizers, formatting. The Python build does not need this file.
CFLAGS_STRICT = -std=c11 -O3 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wmissing-prototypes -Werror
CFLAGS_ASAN = -std=c11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
COMPILERS := gcc $(shell command -v clang >/dev/null && echo clang)
KERNELS := $(sort $(wildcard csrc/*.c))
C_TESTS := $(basename $(notdir $(sort $(wildcard tests/c/test_*.c))))
PXI := $(wildcard src/fastae/*.pyx src/fastae/*.pxi)

.PHONY: strict asan format format-check lint clean
.SECONDARY: # keep the objects

strict: $(foreach compiler,$(COMPILERS),strict-$(compiler))

strict-%:
	@mkdir -p build/strict
	@for kernel in $(KERNELS); do \
	    echo "$* $$kernel"; $* $(CFLAGS_STRICT) -c $$kernel -o build/strict/kernel.o || exit 1; done

# Each C test runs its kernels with every CPU feature and with none, so both bodies of a kernel are seen.
asan: $(addprefix build/asan/,$(C_TESTS))
	@set -e; for test in $^; do echo "$$test"; $$test; done

build/asan/%: tests/c/%.c tests/c/check.h $(patsubst csrc/%.c,build/asan/%.o,$(KERNELS))
	$(CC) $(CFLAGS_ASAN) -Icsrc $< $(filter %.o,$^) -lm -lpthread -o $@

build/asan/%.o: csrc/%.c $(wildcard csrc/*.h)
	@mkdir -p build/asan
	$(CC) $(CFLAGS_ASAN) -c $< -o $@

format:
	clang-format -i $$(git ls-files '*.c' '*.h')
	ruff format .

format-check:
	clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')
	ruff format --check .

lint: format-check
	ruff check .
	mypy
	cython-lint $(PXI)

clean:
	rm -rf build
