# SPDX-License-Identifier: Apache-2.0
# The C alone: strict warnings, tests under sanitizers, formatting. The Python build does not need this file.
CFLAGS_STRICT = -std=c11 -O3 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wmissing-prototypes -Werror
CFLAGS_ASAN = -std=c11 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
COMPILERS := gcc $(shell command -v clang >/dev/null && echo clang)
# Those that can link the sanitizers: some systems ship a compiler without their libraries.
SANITIZERS := $(foreach compiler,$(COMPILERS),$(shell echo 'int main(void) { return 0; }' | \
    $(compiler) -fsanitize=address,undefined -x c - -o /dev/null 2>/dev/null && echo $(compiler)))
KERNELS := $(sort $(wildcard csrc/*.c))
C_TESTS := $(basename $(notdir $(sort $(wildcard tests/c/test_*.c))))
# What decodes bytes of files, for the fuzzer: little enough to be built by each compiler.
DECODERS := bitpack cpu error gaps intdec intdec_amx intdec_avx2 intdec_avx512 intdec_neon mosaic parallel pbwt rans \
    rans_long rans_x86 runs runs_decode sites sums
CORPUS := tests/fuzz/corpus
PXI := $(wildcard src/fastae/*.pyx src/fastae/*.pxi)

FUZZ_SECONDS := 600

.PHONY: strict asan fuzz docs format format-check lint clean
.SECONDARY: # keep the objects

strict: $(foreach compiler,$(COMPILERS),strict-$(compiler))

strict-%:
	@mkdir -p build/strict
	@for kernel in $(KERNELS); do \
	    echo "$* $$kernel"; $* $(CFLAGS_STRICT) -c $$kernel -o build/strict/kernel.o || exit 1; done

# Each C test runs its kernels with every CPU feature and with none, so both bodies of a kernel are seen; then the fuzzer's
# corpus is decoded again, by each compiler that has the sanitizers.
asan: $(addprefix build/asan/,$(C_TESTS)) $(foreach compiler,$(SANITIZERS),build/asan/replay-$(compiler))
	@set -e; for test in $(filter-out build/asan/replay-%,$^); do echo "$$test"; $$test; done
	@set -e; for test in $(filter build/asan/replay-%,$^); do echo "$$test"; $$test $(CORPUS) >build/asan/results; done

build/asan/%: tests/c/%.c tests/c/check.h $(patsubst csrc/%.c,build/asan/%.o,$(KERNELS))
	$(CC) $(CFLAGS_ASAN) -Icsrc $< $(filter %.o,$^) -lm -lpthread -o $@

build/asan/replay-%: tests/fuzz/replay.c tests/fuzz/fuzz_kernels.c $(wildcard tests/fuzz/*.h) tests/c/check.h $(wildcard csrc/*)
	@mkdir -p build/asan
	$* $(CFLAGS_ASAN) -D_DEFAULT_SOURCE -Icsrc $(filter tests/fuzz/%.c,$^) $(DECODERS:%=csrc/%.c) -lm -lpthread -o $@

# Looks for more with libFuzzer, from the corpus on; what it finds to be new lands in build/fuzz/found.
fuzz: build/fuzz/fuzz_kernels
	@mkdir -p build/fuzz/found
	$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -malloc_limit_mb=256 -rss_limit_mb=2048 -max_len=16384 \
	    -artifact_prefix=build/fuzz/ build/fuzz/found $(CORPUS)

build/fuzz/fuzz_kernels: tests/fuzz/fuzz_kernels.c $(wildcard tests/fuzz/*.h) tests/c/check.h $(wildcard csrc/*)
	@mkdir -p build/fuzz
	clang $(CFLAGS_ASAN) -fsanitize=fuzzer -Icsrc $< $(DECODERS:%=csrc/%.c) -lm -lpthread -o $@

build/asan/%.o: csrc/%.c $(wildcard csrc/*.h)
	@mkdir -p build/asan
	$(CC) $(CFLAGS_ASAN) -c $< -o $@

docs:
	sphinx-build -q -W --keep-going -b html docs build/docs

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
