/*
 * MDS shards: streaming's own files value by value, the same bytes written,
 * and what must be refused.  The samples are those of tests/golden/mds.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/base/stream.h"
#include "lib/data/shard_mds.h"

#define GOLDEN  "tests/golden/mds_streaming"
#define SAMPLES 9

static char work[64];
static struct medvl_error err;

static int make_work(void **state)
{
    (void)state;
    snprintf(work, sizeof(work), "/tmp/medvl-mds-XXXXXX");
    memset(&err, 0, sizeof(err));
    return mkdtemp(work) ? 0 : -1;
}

static int remove_work(void **state)
{
    (void)state;
    return medvl_path_remove(work, NULL);
}

static const char *in_work(const char *name)
{
    static char path[2][128];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", work, name);
    return path[turn];
}

#define MUST(call)                    \
    do {                              \
        if ((call) < 0)               \
            fail_msg("%s", err.text); \
    } while (0)

/* ---- the samples of tests/golden/mds.py ------------------------------ */

static int tokens_of(int i)
{
    return 1 + i * 97 % 400;
}

static int32_t token(int i, int k)
{
    return (int32_t)(((int64_t)i * 7919 + (int64_t)k * 104729) % 128256);
}

static uint8_t mask_bit(int i, int k)
{
    return (i + k) % 3 == 0;
}

static int picture_size(int i)
{
    return i * 53 % 90;
}

static unsigned char picture_byte(int i, int n, int k)
{
    return (unsigned char)(i * 31 + n * 17 + k * k);
}

struct sample {
    struct medvl_text parts[MEDVL_MDS_FIELDS];
    struct medvl_span values[MEDVL_MDS_FIELDS];
};

static void append_u32(struct medvl_text *text, int value)
{
    const uint32_t v = (uint32_t)value;

    MUST(medvl_text_append(text, &v, 4, &err));
}

static void make_sample(struct sample *s, int i)
{
    struct medvl_text *p = s->parts;
    int32_t tokens[400];
    uint8_t mask[400];

    memset(s, 0, sizeof(*s));
    for (int k = 0; k < tokens_of(i); k++) {
        tokens[k] = token(i, k);
        mask[k] = mask_bit(i, k);
    }
    MUST(medvl_mds_array_write(&p[MEDVL_MDS_TOKENS], tokens,
                               (size_t)tokens_of(i), 4, &err));
    MUST(medvl_mds_array_write(&p[MEDVL_MDS_LOSS_MASK], mask,
                               (size_t)tokens_of(i), 1, &err));
    MUST(medvl_text_printf(&p[MEDVL_MDS_RECORD], &err,
                           "{\"id\": \"s%d\", \"question\": "
                           "\"caf\\u00e9 %d?\"}",
                           i, i));
    append_u32(&p[MEDVL_MDS_IMAGES], i % 3);
    for (int n = 0; n < i % 3; n++) {
        append_u32(&p[MEDVL_MDS_IMAGES], picture_size(i));
        for (int k = 0; k < picture_size(i); k++)
            MUST(medvl_text_putc(&p[MEDVL_MDS_IMAGES],
                                 (char)picture_byte(i, n, k), &err));
    }
    for (int c = 0; c < MEDVL_MDS_FIELDS; c++)
        s->values[c] = medvl_text_span(&p[c]);
}

static void release_sample(struct sample *s)
{
    for (int c = 0; c < MEDVL_MDS_FIELDS; c++)
        medvl_text_release(&s->parts[c]);
}

static int write_all(const char *folder, const struct medvl_mds_options *o)
{
    struct medvl_mds_writer *w = NULL;
    struct sample s;
    int rc = medvl_mds_writer_open(&w, folder, medvl_mds_record,
                                   MEDVL_MDS_FIELDS, o, &err);

    for (int i = 0; i < SAMPLES && rc == MEDVL_OK; i++) {
        make_sample(&s, i);
        rc = medvl_mds_writer_put(w, s.values, &err);
        release_sample(&s);
    }
    if (rc == MEDVL_OK)
        return medvl_mds_writer_close(w, &err);
    medvl_mds_writer_free(w);
    return rc;
}

static void compare(struct medvl_mds *mds, int i)
{
    struct medvl_span got[MEDVL_MDS_FIELDS];
    struct sample want;

    make_sample(&want, i);
    MUST(medvl_mds_read(got, mds, i, &err));
    for (int c = 0; c < MEDVL_MDS_FIELDS; c++) {
        assert_int_equal(got[c].size, want.values[c].size);
        assert_memory_equal(got[c].data, want.values[c].data, got[c].size);
    }
    release_sample(&want);
}

static void compare_all(const char *folder, size_t memory)
{
    struct medvl_mds *mds;

    MUST(medvl_mds_open_records(&mds, folder, memory, &err));
    assert_int_equal(medvl_mds_count(mds), SAMPLES);
    for (int i = 0; i < SAMPLES; i++)
        compare(mds, i);
    for (int i = 0; i < 30; i++) /* all over the place */
        compare(mds, i * 7 % SAMPLES);
    medvl_mds_free(mds);
}

/* ---- agreement with streaming ---------------------------------------- */

static void streamings_shards_are_read_value_by_value(void **state)
{
    struct medvl_span values[MEDVL_MDS_FIELDS], picture;
    uint8_t *mask = NULL;
    int32_t *tokens = NULL;
    size_t token_room = 0, mask_room = 0;
    struct medvl_mds *mds;

    (void)state;
    MUST(medvl_mds_open_records(&mds, GOLDEN, 0, &err));
    assert_int_equal(medvl_mds_count(mds), SAMPLES);
    assert_int_equal(medvl_mds_shard_count(mds), 3);
    assert_int_equal(medvl_mds_shard_first(mds, 1), 4);
    assert_int_equal(medvl_mds_shard_first(mds, 3), SAMPLES);
    for (int i = SAMPLES - 1; i >= 0; i--) {
        size_t count = 0;
        int64_t pictures;

        MUST(medvl_mds_read(values, mds, i, &err));
        MUST(medvl_mds_tokens(&tokens, &token_room, &mask, &mask_room, &count,
                              values, &err));
        assert_int_equal(count, tokens_of(i));
        for (int k = 0; k < (int)count; k++) {
            assert_int_equal(tokens[k], token(i, k));
            assert_int_equal(mask[k], mask_bit(i, k));
        }
        MUST(medvl_mds_picture_count(&pictures, values[MEDVL_MDS_IMAGES],
                                     &err));
        assert_int_equal(pictures, i % 3);
        for (int n = 0; n < (int)pictures; n++) {
            MUST(medvl_mds_picture(&picture, values[MEDVL_MDS_IMAGES], n,
                                   &err));
            assert_int_equal(picture.size, picture_size(i));
            for (int k = 0; k < picture_size(i); k++)
                assert_int_equal((unsigned char)picture.data[k],
                                 picture_byte(i, n, k));
        }
        assert_int_equal(medvl_mds_picture(&picture,
                                           values[MEDVL_MDS_IMAGES],
                                           pictures, &err),
                         MEDVL_EARG);
    }
    medvl_free(tokens);
    medvl_free(mask);
    medvl_mds_free(mds);
    compare_all(GOLDEN, 0);
    compare_all(GOLDEN, 1); /* every shard is given up at once */
}

/* index.json without what the version of zstd decides. */
static void read_index(struct medvl_text *out, const char *folder)
{
    char path[160];
    char *zip, *end;

    snprintf(path, sizeof(path), "%s/index.json", folder);
    MUST(medvl_file_read(out, path, 1 << 20, &err));
    zip = out->data;
    while ((zip = strstr(zip, ".mds.zstd\", "))) {
        end = strchr(zip, '}');
        memset(zip + 9, ' ', (size_t)(end - zip) - 9);
    }
    end = out->data; /* numbers of unlike length leave unlike space */
    for (size_t i = 0; i < out->size; i++)
        if (out->data[i] != ' ')
            *end++ = out->data[i];
    *end = 0;
}

static void our_shards_unpack_to_streamings_bytes(void **state)
{
    const struct medvl_mds_options o = {.size_limit = 5000};
    struct medvl_text ours = {0}, theirs = {0};

    (void)state;
    MUST(write_all(in_work("a"), &o));
    read_index(&ours, in_work("a"));
    read_index(&theirs, GOLDEN);
    assert_string_equal(ours.data, theirs.data);
    assert_non_null(strstr(ours.data, "51d50200b908a6ef"));
    medvl_text_release(&ours);
    medvl_text_release(&theirs);
}

static void what_is_written_is_read(void **state)
{
    const struct medvl_mds_options options[] = {
        {0},
        {.plain = true},
        {.size_limit = 1}, /* one sample a shard */
        {.size_limit = 4000, .level = 12},
        {.size_limit = 4000, .plain = true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        char name[8];

        snprintf(name, sizeof(name), "f%zu", i);
        MUST(write_all(in_work(name), &options[i]));
        compare_all(in_work(name), 0);
        compare_all(in_work(name), 6000);
    }
}

static void assert_same_folder(const char *a, const char *b)
{
    struct medvl_names names = {0}, others = {0};

    MUST(medvl_folder_list(&names, a, &err));
    MUST(medvl_folder_list(&others, b, &err));
    assert_int_equal(names.count, others.count);
    for (size_t i = 0; i < names.count; i++) {
        struct medvl_text x = {0}, y = {0};
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", a, names.items[i]);
        MUST(medvl_file_read(&x, path, 1 << 20, &err));
        snprintf(path, sizeof(path), "%s/%s", b, names.items[i]);
        MUST(medvl_file_read(&y, path, 1 << 20, &err));
        assert_int_equal(x.size, y.size);
        assert_memory_equal(x.data, y.data, x.size);
        medvl_text_release(&x);
        medvl_text_release(&y);
    }
    medvl_names_release(&names);
    medvl_names_release(&others);
}

static void threads_do_not_change_a_byte(void **state)
{
    struct medvl_mds_options o = {.size_limit = 1000};

    (void)state;
    MUST(write_all(in_work("one"), &o));
    MUST(medvl_pool_open(&o.pool, 3, &err));
    MUST(write_all(in_work("three"), &o));
    medvl_pool_free(o.pool);
    assert_same_folder(in_work("one"), in_work("three"));
}

/* ---- whole or not at all --------------------------------------------- */

static void a_writer_that_gives_up_leaves_nothing(void **state)
{
    struct medvl_names names = {0};
    struct medvl_mds_writer *w;
    struct sample s;

    (void)state;
    MUST(medvl_mds_writer_open(&w, in_work("a"), medvl_mds_record,
                               MEDVL_MDS_FIELDS, NULL, &err));
    make_sample(&s, 3);
    MUST(medvl_mds_writer_put(w, s.values, &err));
    release_sample(&s);
    assert_false(medvl_folder_exists(in_work("a")));
    MUST(medvl_folder_list(&names, work, &err));
    assert_int_equal(names.count, 1);
    assert_int_equal(strncmp(names.items[0], "a.tmp-", 6), 0);
    medvl_names_release(&names);
    medvl_mds_writer_free(w);
    MUST(medvl_mds_writer_open(&w, in_work("b/"), medvl_mds_record,
                               MEDVL_MDS_FIELDS, NULL, &err));
    assert_int_equal(medvl_mds_writer_close(w, &err), MEDVL_EARG);
    MUST(medvl_folder_list(&names, work, &err));
    assert_int_equal(names.count, 0);
    medvl_names_release(&names);
}

static void only_a_shard_folder_is_replaced_and_only_when_asked(void **state)
{
    struct medvl_names names = {0};
    struct medvl_mds_options o = {0};

    (void)state;
    MUST(medvl_folder_make(in_work("a.tmp"), &err));
    MUST(medvl_file_write(in_work("a.tmp/mine"), "x", 1, &err));
    MUST(medvl_folder_make(in_work("a.old"), &err));
    MUST(medvl_file_write(in_work("a.old/mine"), "x", 1, &err));
    MUST(write_all(in_work("a"), &o));
    assert_int_equal(write_all(in_work("a"), &o), MEDVL_EARG);
    assert_non_null(strstr(err.text, "holds shards already"));
    o.overwrite = true;
    o.size_limit = 2000;
    MUST(write_all(in_work("a"), &o));
    compare_all(in_work("a"), 0);
    assert_true(medvl_file_exists(in_work("a.old/mine")));
    assert_true(medvl_file_exists(in_work("a.tmp/mine")));
    MUST(medvl_folder_list(&names, work, &err));
    assert_int_equal(names.count, 3); /* and nothing that is ours is left */
    medvl_names_release(&names);

    MUST(medvl_folder_make(in_work("home"), &err));
    MUST(medvl_file_write(in_work("home/thesis"), "x", 1, &err));
    assert_int_equal(write_all(in_work("home"), &o), MEDVL_EARG);
    assert_true(medvl_file_exists(in_work("home/thesis")));
    assert_int_equal(write_all("/", &o), MEDVL_EARG);
    assert_int_equal(write_all("", &o), MEDVL_EARG);
}

static void bad_options_and_values_are_refused(void **state)
{
    static const struct medvl_mds_column fixed[] = {{"a", "int", 8}};
    static const struct medvl_mds_column order[] = {{"b", "int", 8},
                                                    {"a", "int", 8}};
    static const struct medvl_mds_column quote[] = {{"a\"b", "int", 8}};
    const struct medvl_mds_options level = {.level = 20};
    const struct medvl_mds_options limit = {
        .size_limit = MEDVL_MDS_SHARD_MAX + 1};
    struct medvl_span value = {"1234567", 7};
    struct medvl_mds_writer *w;
    struct medvl_mds *mds;

    (void)state;
    assert_int_equal(write_all(in_work("a"), &level), MEDVL_EARG);
    assert_int_equal(write_all(in_work("a"), &limit), MEDVL_EARG);
    assert_int_equal(medvl_mds_writer_open(&w, in_work("a"), order, 2, NULL,
                                           &err),
                     MEDVL_EARG);
    assert_int_equal(medvl_mds_writer_open(&w, in_work("a"), quote, 1, NULL,
                                           &err),
                     MEDVL_EARG);
    MUST(medvl_mds_writer_open(&w, in_work("a"), fixed, 1, NULL, &err));
    assert_int_equal(medvl_mds_writer_put(w, &value, &err), MEDVL_EARG);
    value = (struct medvl_span){"huge", (size_t)MEDVL_MDS_SHARD_MAX};
    assert_int_equal(medvl_mds_writer_put(w, &value, &err), MEDVL_EARG);
    value = (struct medvl_span){"12345678", 8};
    MUST(medvl_mds_writer_put(w, &value, &err));
    MUST(medvl_mds_writer_close(w, &err));
    MUST(medvl_mds_open(&mds, in_work("a"), 0, &err));
    MUST(medvl_mds_read(&value, mds, 0, &err));
    assert_memory_equal(value.data, "12345678", 8);
    assert_int_equal(medvl_mds_read(&value, mds, 1, &err), MEDVL_EARG);
    assert_int_equal(medvl_mds_read(&value, mds, -1, &err), MEDVL_EARG);
    medvl_mds_free(mds);
    assert_int_equal(medvl_mds_open_records(&mds, in_work("a"), 0, &err),
                     MEDVL_EFORMAT);
}

/* ---- hostile folders -------------------------------------------------- */

static int read_first(const char *folder)
{
    struct medvl_span values[MEDVL_MDS_COLUMNS_MAX];
    struct medvl_mds *mds;
    int rc = medvl_mds_open(&mds, folder, 0, &err);

    if (rc == MEDVL_OK)
        rc = medvl_mds_read(values, mds, 0, &err);
    medvl_mds_free(mds);
    return rc;
}

static void the_hash_of_the_unpacked_bytes_is_checked_too(void **state)
{
    const struct medvl_mds_options options = {0};
    struct medvl_text index = {0};
    char *digit;

    (void)state;
    MUST(write_all(in_work("f"), &options));
    MUST(medvl_file_read(&index, in_work("f/index.json"), 1 << 20, &err));
    MUST(medvl_text_putc(&index, '\0', &err));
    digit = strstr(strstr(index.data, "\"raw_data\""), "\"xxh64\": \"");
    assert_non_null(digit);
    digit += strlen("\"xxh64\": \"");
    *digit = *digit == '0' ? '1' : '0';
    MUST(medvl_file_write(in_work("f/index.json"), index.data,
                          index.size - 1, &err));
    assert_int_equal(read_first(in_work("f")), MEDVL_EFORMAT);
    assert_non_null(strstr(err.text, "shard.00000.mds:"));
    assert_non_null(strstr(err.text, "xxh64"));
    medvl_text_release(&index);
}

/* A shard whose file is gone reads on only where it is still held. */
static void no_more_shards_are_held_than_memory_allows(void **state)
{
    static const struct {
        size_t memory;
        bool held;
    } CASES[] = {{1, false}, {1 << 20, true}};
    const struct medvl_mds_options options = {.size_limit = 1};
    struct medvl_span values[MEDVL_MDS_FIELDS];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *folder = i ? "b" : "a";
        struct medvl_mds *mds;
        char file[64];

        MUST(write_all(in_work(folder), &options));
        MUST(medvl_mds_open_records(&mds, in_work(folder), CASES[i].memory,
                                    &err));
        compare(mds, 0);
        compare(mds, 1);
        snprintf(file, sizeof(file), "%s/shard.00000.mds.zstd", folder);
        MUST(medvl_path_remove(in_work(file), &err));
        assert_int_equal(medvl_mds_read(values, mds, 0, &err) == MEDVL_OK,
                         CASES[i].held);
        medvl_mds_free(mds);
    }
}

static void a_changed_byte_is_found(void **state)
{
    const struct medvl_mds_options options[] = {{0}, {.plain = true}};
    const char *const names[] = {"shard.00000.mds.zstd", "shard.00000.mds"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct medvl_text data = {0};
        char name[64];

        snprintf(name, sizeof(name), "f%d", i);
        MUST(write_all(in_work(name), &options[i]));
        snprintf(name, sizeof(name), "f%d/%s", i, names[i]);
        MUST(medvl_file_read(&data, in_work(name), 1 << 20, &err));
        data.data[data.size - 3] ^= 1;
        MUST(medvl_file_write(in_work(name), data.data, data.size, &err));
        snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(read_first(in_work(name)), MEDVL_EFORMAT);
        assert_non_null(strstr(err.text, names[i]));
        assert_non_null(strstr(err.text, "xxh64"));
        snprintf(name, sizeof(name), "f%d/%s", i, names[i]);
        MUST(medvl_file_write(in_work(name), data.data, data.size - 1, &err));
        snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(read_first(in_work(name)), MEDVL_EFORMAT);
        assert_non_null(strstr(err.text, "bytes"));
        medvl_text_release(&data);
    }
}

#define INDEX_SHARD(names, encodings, sizes, compression, raw, samples, zip) \
    "{\"version\":2,\"shards\":[{\"version\":2,\"format\":\"mds\","          \
    "\"column_names\":" names ",\"column_encodings\":" encodings             \
    ",\"column_sizes\":" sizes ",\"compression\":" compression               \
    ",\"hashes\":[],\"raw_data\":" raw ",\"samples\":" samples               \
    ",\"size_limit\":null,\"zip_data\":" zip "}]}"
#define ONE(raw, samples)                                                 \
    INDEX_SHARD("[\"a\"]", "[\"bytes\"]", "[null]", "null", raw, samples, \
                "null")
#define FILE_OF(name, bytes) \
    "{\"basename\":\"" name "\",\"bytes\":" bytes ",\"hashes\":{}}"

static void a_lying_index_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"version\":2}",
        "{\"version\":2,\"shards\":[]}",
        "{\"version\":2,\"shards\":[[]]}",
        "{\"version\":2,\"shards\":[{}]}",
        "{\"version\":3,\"shards\":[{}]}",
        ONE(FILE_OF("x", "16"), "0"),
        ONE(FILE_OF("x", "16"), "-1"),
        ONE(FILE_OF("x", "16"), "1.5"),
        ONE(FILE_OF("x", "16"), "1e300"),
        ONE(FILE_OF("x", "16"), "4294967295"),
        ONE(FILE_OF("x", "-16"), "1"),
        ONE(FILE_OF("../x", "16"), "1"),
        ONE(FILE_OF("..", "16"), "1"),
        ONE(FILE_OF("", "16"), "1"),
        ONE("null", "1"),
        ONE("{\"basename\":\"x\",\"bytes\":16,\"hashes\":{\"xxh64\":\"1\"}}",
            "1"),
        INDEX_SHARD("[]", "[]", "[]", "null", FILE_OF("x", "16"), "1",
                    "null"),
        INDEX_SHARD("[\"a\",\"a\"]", "[\"bytes\",\"bytes\"]", "[null,null]",
                    "null", FILE_OF("x", "16"), "1", "null"),
        INDEX_SHARD("[\"a\"]", "[\"bytes\"]", "[-1]", "null",
                    FILE_OF("x", "16"), "1", "null"),
        INDEX_SHARD("[\"a\"]", "[\"bytes\"]", "[]", "null",
                    FILE_OF("x", "16"), "1", "null"),
        INDEX_SHARD("[1]", "[\"bytes\"]", "[null]", "null",
                    FILE_OF("x", "16"), "1", "null"),
        INDEX_SHARD("[\"a\"]", "[\"bytes\"]", "[null]", "\"br\"",
                    FILE_OF("x", "16"), "1", "null"),
        INDEX_SHARD("[\"a\"]", "[\"bytes\"]", "[null]", "\"zstd\"",
                    FILE_OF("x", "16"), "1", "null"),
    };

    (void)state;
    MUST(medvl_folder_make(in_work("a"), &err));
    assert_int_equal(read_first(in_work("a")), MEDVL_EARG);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct medvl_mds *mds;

        MUST(medvl_file_write(in_work("a/index.json"), bad[i], strlen(bad[i]),
                              &err));
        if (medvl_mds_open(&mds, in_work("a"), 0, &err) >= 0)
            fail_msg("accepted: %s", bad[i]);
        assert_null(mds);
        assert_non_null(strstr(err.text, "index.json"));
    }
}

/* A shard of the bytes `raw`, whose index is honest about them. */
static int read_raw(const uint32_t *raw, size_t words, int samples)
{
    char text[1024];

    snprintf(text, sizeof(text), ONE(FILE_OF("x", "%zu"), "%d"), words * 4,
             samples);
    MUST(medvl_folder_make(in_work("r"), &err));
    MUST(medvl_file_write(in_work("r/index.json"), text, strlen(text), &err));
    MUST(medvl_file_write(in_work("r/x"), raw, words * 4, &err));
    return read_first(in_work("r"));
}

static void offsets_and_lengths_outside_the_file_are_refused(void **state)
{
    static const uint32_t good[] = {1, 12, 20, 4, 0};
    static const uint32_t count[] = {2, 12, 20, 4, 0};
    static const uint32_t low[] = {1, 4, 12, 4, 0}; /* adds up */
    static const uint32_t far[] = {1, 12, 24, 4, 0};
    static const uint32_t back[] = {1, 20, 12, 4, 0};
    static const uint32_t huge[] = {1, 12, 0xffffffff, 4, 0};
    static const uint32_t length[] = {1, 12, 20, 5, 0};
    static const uint32_t shorter[] = {1, 12, 20, 3, 0};
    static const uint32_t lengths[] = {1, 12, 20, 0xffffffff, 0};
    static const uint32_t empty[] = {1, 12, 12, 4, 0};
    const uint32_t *const bad[] = {count, low, far, back, huge,
                                   length, shorter, lengths, empty};

    (void)state;
    MUST(read_raw(good, 5, 1));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(read_raw(bad[i], 5, 1), MEDVL_EFORMAT);
}

static void a_bomb_is_not_unpacked(void **state)
{
    struct medvl_text zeros = {0}, packed = {0};
    char text[1024];

    (void)state;
    MUST(medvl_text_reserve(&zeros, 1 << 20, &err));
    memset(zeros.data, 0, 1 << 20);
    MUST(medvl_zstd_compress(&packed, zeros.data, 1 << 20, 3, &err));
    MUST(medvl_folder_make(in_work("b"), &err));
    MUST(medvl_file_write(in_work("b/z"), packed.data, packed.size, &err));
    for (int i = 0; i < 2; i++) { /* more than said; more than allowed */
        snprintf(text, sizeof(text),
                 INDEX_SHARD("[\"a\"]", "[\"bytes\"]", "[null]", "\"zstd\"",
                             FILE_OF("x", "%s"), "1", FILE_OF("z", "%zu")),
                 i ? "4294967295" : "1000", packed.size);
        MUST(medvl_file_write(in_work("b/index.json"), text, strlen(text),
                              &err));
        assert_true(read_first(in_work("b")) < 0);
        assert_non_null(strstr(err.text, i ? "at most" : "z: "));
    }
    assert_true(medvl_mem_peak() < (size_t)512 << 20);
    medvl_text_release(&zeros);
    medvl_text_release(&packed);
}

static void arrays_take_every_width_and_refuse_lies(void **state)
{
    static const size_t counts[] = {1, 255, 256, 65535, 65536};
    struct medvl_text out = {0};
    struct medvl_span items, whole;
    uint8_t *bytes = calloc(65536, 1);
    size_t count;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        medvl_text_clear(&out);
        MUST(medvl_mds_array_write(&out, bytes, counts[i], 1, &err));
        assert_int_equal(out.size, counts[i] + (i < 2   ? 2u
                                                : i < 4 ? 3u
                                                        : 5u));
        MUST(medvl_mds_array_read(&items, &count, medvl_text_span(&out), 1,
                                  &err));
        assert_int_equal(count, counts[i]);
        assert_int_equal(items.size, counts[i]);
    }
    whole = medvl_text_span(&out);
    whole.size--;
    assert_int_equal(medvl_mds_array_read(&items, &count, whole, 1, &err),
                     MEDVL_EFORMAT);
    whole.size = 0;
    assert_int_equal(medvl_mds_array_read(&items, &count, whole, 1, &err),
                     MEDVL_EFORMAT);
    whole = medvl_span("\x0a\x01\x01\x01\x01zzzz");
    assert_int_equal(medvl_mds_array_read(&items, &count, whole, 1, &err),
                     MEDVL_EFORMAT);
    assert_int_equal(medvl_mds_array_write(&out, bytes, 0, 4, &err),
                     MEDVL_EARG);
    medvl_text_release(&out);
    free(bytes);
}

static void picture_lists_that_do_not_add_up_are_refused(void **state)
{
    static const struct medvl_span bad[] = {
        {"", 0},
        {"\0\0\0", 3},
        {"\1\0\0\0", 4},
        {"\1\0\0\0\2\0\0\0z", 9},
        {"\1\0\0\0\1\0\0\0zz", 10},
        {"\377\377\377\377\1\0\0\0z", 9},
        {"\1\0\0\0\377\377\377\377z", 9},
    };
    struct medvl_span out;
    int64_t count;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(medvl_mds_picture_count(&count, bad[i], &err),
                         MEDVL_EFORMAT);
        assert_int_equal(medvl_mds_picture(&out, bad[i], 0, &err),
                         MEDVL_EFORMAT);
    }
}

/* ---- out of memory --------------------------------------------------- */

static void every_failed_allocation_is_reported(void **state)
{
    const struct medvl_mds_options o = {.size_limit = 3000,
                                        .overwrite = true};
    struct sample s;

    (void)state;
    make_sample(&s, 4);
    for (long n = 0; n < 2000; n++) {
        struct medvl_span values[MEDVL_MDS_FIELDS];
        struct medvl_mds_writer *w = NULL;
        struct medvl_mds *mds = NULL;
        bool failed;
        int rc;

        medvl_mem_fail_after(n);
        rc = medvl_mds_writer_open(&w, in_work("m"), medvl_mds_record,
                                   MEDVL_MDS_FIELDS, &o, &err);
        for (int i = 0; i < 3 && rc == MEDVL_OK; i++)
            rc = medvl_mds_writer_put(w, s.values, &err);
        if (rc == MEDVL_OK)
            rc = medvl_mds_writer_close(w, &err);
        else
            medvl_mds_writer_free(w);
        if (rc == MEDVL_OK)
            rc = medvl_mds_open_records(&mds, in_work("m"), 0, &err);
        if (rc == MEDVL_OK)
            rc = medvl_mds_read(values, mds, 2, &err);
        medvl_mds_free(mds);
        failed = medvl_mem_failed();
        medvl_mem_fail_after(-1);
        if (!failed) {
            assert_int_equal(rc, MEDVL_OK);
            release_sample(&s);
            return;
        }
        assert_int_equal(rc, MEDVL_ENOMEM);
    }
    fail_msg("more than 2000 allocations");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_work, remove_work)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(streamings_shards_are_read_value_by_value),
        CASE(our_shards_unpack_to_streamings_bytes),
        CASE(what_is_written_is_read),
        CASE(threads_do_not_change_a_byte),
        CASE(a_writer_that_gives_up_leaves_nothing),
        CASE(only_a_shard_folder_is_replaced_and_only_when_asked),
        CASE(bad_options_and_values_are_refused),
        CASE(the_hash_of_the_unpacked_bytes_is_checked_too),
        CASE(no_more_shards_are_held_than_memory_allows),
        CASE(a_changed_byte_is_found),
        CASE(a_lying_index_is_refused),
        CASE(offsets_and_lengths_outside_the_file_are_refused),
        CASE(a_bomb_is_not_unpacked),
        CASE(arrays_take_every_width_and_refuse_lies),
        CASE(picture_lists_that_do_not_add_up_are_refused),
        CASE(every_failed_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
