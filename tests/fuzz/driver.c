/*
 * Replays a corpus through a fuzz target without a fuzzer: each file of
 * the folder as it is, cut short, and with bytes changed.  The target is
 * what libFuzzer calls too (make fuzz); it must neither crash nor leak,
 * whatever the bytes.  Prints one TAP case a file.
 *
 *     fuzz_NAME tests/fuzz/corpus/fuzz_NAME
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"

#define MOST    ((size_t)16 << 20)
#define CUTS    64
#define CHANGES 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly `size` bytes of its own, so that reading past them shows. */
static int once(const char *data, size_t size, struct medvl_error *err)
{
    uint8_t *copy = medvl_alloc(size, 1);

    if (!copy)
        return medvl_no_memory(err);
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    medvl_free(copy);
    return MEDVL_OK;
}

static int replay(struct medvl_text *text, uint64_t item,
                  struct medvl_error *err)
{
    struct medvl_rng rng;
    int i, rc;

    rc = once(text->data, text->size, err);
    for (i = 0; i < CUTS && rc == MEDVL_OK; i++)
        rc = once(text->data, text->size * (size_t)i / CUTS, err);
    medvl_rng_init(&rng, 1, MEDVL_PURPOSE_TEST, item);
    for (i = 0; i < CHANGES && rc == MEDVL_OK && text->size; i++) {
        const size_t at = medvl_rng_below(&rng, text->size);
        const char before = text->data[at];

        text->data[at] = (char)medvl_rng_u32(&rng);
        rc = once(text->data, text->size, err);
        if (i % 4) /* a quarter of the changes stay */
            text->data[at] = before;
    }
    return rc;
}

static int replay_file(const char *folder, const char *name, uint64_t item,
                       struct medvl_error *err)
{
    struct medvl_text text = {0};
    char *path = NULL;
    int rc;

    rc = medvl_path_join(&path, folder, name, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_read(&text, path, MOST, err);
    if (rc == MEDVL_OK)
        rc = replay(&text, item, err);
    medvl_text_release(&text);
    medvl_free(path);
    return rc;
}

int main(int argc, char **argv)
{
    struct medvl_names names = {0};
    struct medvl_error err = {0};
    int failed = 0;
    size_t i;

    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    if (medvl_folder_list(&names, argv[1], &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("1..%zu\n", names.count);
    for (i = 0; i < names.count; i++) {
        const int rc = replay_file(argv[1], names.items[i], i, &err);

        printf("%s %zu - %s%s%s\n", rc < 0 ? "not ok" : "ok", i + 1,
               names.items[i], rc < 0 ? ": " : "", rc < 0 ? err.text : "");
        fflush(stdout);
        failed += rc < 0;
    }
    medvl_names_release(&names);
    return failed > 0;
}
