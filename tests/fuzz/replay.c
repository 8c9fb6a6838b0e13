/* SPDX-License-Identifier: Apache-2.0
 * Gives all files of the directories named to fuzz_kernels.c, one by one: a corpus without libFuzzer. Prints of each its
 * name and the CRC-32 of what it decodes to. */
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#include "../c/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern void (*fuzz_listener)(int err, const uint8_t *out, size_t out_len);

static const char *name;

static void
print_result(int err, const uint8_t *out, size_t out_len)
{
    uint32_t crc = UINT32_MAX;

    if (err) {
        printf("%s refused\n", name);
        return;
    }
    for (size_t i = 0; i < out_len; i++) {
        crc ^= out[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
        }
    }
    printf("%s %u\n", name, ~crc);
}

static void
replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data;
    size_t size;

    CHECK(file != NULL && fstat(fileno(file), &status) == 0);
    size = (size_t) status.st_size;
    data = check_alloc(size);
    CHECK(fread(data, 1, size, file) == size);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int
main(int argc, char **argv)
{
    size_t n_replayed = 0;

    fuzz_listener = print_result;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);

        CHECK(folder != NULL);
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            char path[PATH_MAX];

            if (entry->d_name[0] != '.') {
                CHECK(snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name) < (int) sizeof path);
                name = entry->d_name;
                replay(path);
                n_replayed++;
            }
        }
        closedir(folder);
    }
    CHECK(n_replayed > 0);
    return 0;
}
