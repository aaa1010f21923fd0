/* Where pictures come from: files, base64, shards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/data/shard_mds.h"
#include "lib/data/source.h"

static char work[64];
static struct medvl_error err;

#define MUST(call)                    \
    do {                              \
        if ((call) < 0)               \
            fail_msg("%s", err.text); \
    } while (0)

/* Folder "s": three samples; sample i has i pictures, "i0", "i1". */
static void write_shards(const char *folder)
{
    static const struct medvl_mds_options options = {.size_limit = 1};
    static const char *const images[] = {
        "\0\0\0\0", "\1\0\0\0\2\0\0\0001"
                    "0",
        "\2\0\0\0\2\0\0\00020\2\0\0\0002"
        "1"};
    struct medvl_mds_writer *writer;

    MUST(medvl_mds_writer_open(&writer, folder, medvl_mds_record,
                               MEDVL_MDS_FIELDS, &options, &err));
    for (int i = 0; i < 3; i++) {
        const struct medvl_span values[MEDVL_MDS_FIELDS] = {
            [MEDVL_MDS_IMAGES] = {images[i], 4 + (size_t)i * 6},
            [MEDVL_MDS_LOSS_MASK] = {"\4\1\1", 3},
            [MEDVL_MDS_RECORD] = {"{}", 2},
            [MEDVL_MDS_TOKENS] = {"\4\1\1\0\0\0", 6},
        };

        MUST(medvl_mds_writer_put(writer, values, &err));
    }
    MUST(medvl_mds_writer_close(writer, &err));
}

static int make_work(void **state)
{
    char path[128];

    (void)state;
    snprintf(work, sizeof(work), "/tmp/medvl-source-XXXXXX");
    if (!mkdtemp(work))
        return -1;
    snprintf(path, sizeof(path), "%s/f", work);
    MUST(medvl_file_write(path, "hello", 5, &err));
    snprintf(path, sizeof(path), "%s/s", work);
    write_shards(path);
    return 0;
}

static int remove_work(void **state)
{
    (void)state;
    return medvl_path_remove(work, NULL);
}

static int read_image(struct medvl_source *source, struct medvl_span *out,
                      const char *image)
{
    struct medvl_json *json;
    int rc;

    MUST(medvl_json_parse(&json, medvl_span(image), &err));
    rc = medvl_source_read(out, source, json, &err);
    medvl_json_free(json);
    return rc;
}

static void a_picture_comes_from_a_file_base64_or_a_shard(void **state)
{
    static const char *const cases[][2] = {
        {"{\"path\":\"f\"}", "hello"},
        {"{\"data\":\"aGVsbG8=\"}", "hello"},
        {"{\"data\":\"data:image/png;base64,aGVsbA==\"}", "hell"},
        {"{\"data\":\"aGVs\"}", "hel"},
        {"{\"data\":\"\"}", ""},
        {"{\"shard\":\"s\",\"index\":[1,0]}", "10"},
        {"{\"shard\":\"s\",\"index\":[2,1]}", "21"},
        {"{\"shard\":\"s/\",\"index\":[2,0]}", "20"},
    };
    struct medvl_source *source;
    struct medvl_span out;

    (void)state;
    MUST(medvl_source_open(&source, work, 0, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        MUST(read_image(source, &out, cases[i][0]));
        assert_int_equal(out.size, strlen(cases[i][1]));
        if (out.size)
            assert_memory_equal(out.data, cases[i][1], out.size);
    }
    medvl_source_free(source);
}

static void what_is_no_place_is_refused(void **state)
{
    static const char *const bad[] = {
        "{}", "[]", "{\"path\":\"f\",\"data\":\"AA==\"}", "{\"path\":1}",
        "{\"path\":\"\"}", "{\"data\":\"A\"}", "{\"data\":\"A*==\"}",
        "{\"data\":\"A=B=\"}", "{\"data\":\"====\"}", "{\"path\":\"none\"}",
        "{\"shard\":\"s\"}", "{\"shard\":\"s\",\"index\":1}",
        "{\"shard\":\"s\",\"index\":[1]}",
        "{\"shard\":\"s\",\"index\":[0,0]}",
        "{\"shard\":\"s\",\"index\":[1,1]}",
        "{\"shard\":\"s\",\"index\":[3,0]}",
        "{\"shard\":\"s\",\"index\":[-1,0]}",
        "{\"shard\":\"s\",\"index\":[1e30,0]}",
        "{\"shard\":\"s\",\"index\":[1.5,0]}",
        "{\"shard\":\"none\",\"index\":[1,0]}"};
    struct medvl_source *source;
    struct medvl_span out;

    (void)state;
    MUST(medvl_source_open(&source, work, 0, &err));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (read_image(source, &out, bad[i]) >= 0)
            fail_msg("accepted: %s", bad[i]);
    medvl_source_free(source);
}

static void what_is_not_there_is_known_without_reading_it(void **state)
{
    static const struct {
        const char *image;
        int has; /* or an error */
        const char *missing;
    } cases[] = {
        {"{\"path\":\"f\"}", 1, ""},
        {"{\"path\":\"none\"}", 0, "/none"},
        {"{\"path\":\"s\"}", 0, "/s"},
        {"{\"shard\":\"s\",\"index\":[0,0]}", 1, ""},
        {"{\"shard\":\"t\",\"index\":[0,0]}", 0, "/t"},
        {"{\"data\":\"AA==\"}", 1, ""},
        {"{\"path\":\"\"}", MEDVL_EFORMAT, ""},
        {"{\"path\":1}", MEDVL_EFORMAT, ""},
        {"{}", MEDVL_EFORMAT, ""},
    };
    struct medvl_source *source;

    (void)state;
    MUST(medvl_source_open(&source, work, 0, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct medvl_text missing = {0};
        struct medvl_json *json;
        char path[200] = "";

        MUST(medvl_json_parse(&json, medvl_span(cases[i].image), &err));
        if (*cases[i].missing)
            snprintf(path, sizeof(path), "%s%s", work, cases[i].missing);
        assert_int_equal(medvl_source_has(&missing, source, json, &err),
                         cases[i].has);
        assert_string_equal(missing.data ? missing.data : "", path);
        medvl_json_free(json);
        medvl_text_release(&missing);
    }
    medvl_source_free(source);
}

static void the_limit_on_bytes_holds(void **state)
{
    struct medvl_source *source;
    struct medvl_span out;

    (void)state;
    MUST(medvl_source_open(&source, work, 4, &err));
    assert_int_equal(read_image(source, &out, "{\"path\":\"f\"}"),
                     MEDVL_EARG);
    assert_int_equal(read_image(source, &out, "{\"data\":\"aGVsbG8=\"}"),
                     MEDVL_EARG);
    MUST(read_image(source, &out, "{\"data\":\"aGVsbA==\"}"));
    medvl_source_free(source);
}

static void write_large(const char *path, char first)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fputc(first, file), first);
    assert_int_equal(fseek(file, (1L << 24) - 1, SEEK_SET), 0);
    assert_int_equal(fputc(0, file), 0);
    assert_int_equal(fclose(file), 0);
}

static void a_large_file_is_read_again_where_it_has_changed(void **state)
{
    static const char *const IMAGE = "{\"path\":\"large\"}";
    struct medvl_source *source;
    struct medvl_span out;
    char path[100], next[100];

    (void)state;
    snprintf(path, sizeof(path), "%s/large", work);
    snprintf(next, sizeof(next), "%s/next", work);
    write_large(path, 'a');
    MUST(medvl_source_open(&source, work, 0, &err));
    for (int i = 0; i < 2; i++) {
        MUST(read_image(source, &out, IMAGE));
        assert_int_equal(medvl_source_again(source), i);
        assert_string_equal(medvl_source_path(source), path);
        assert_int_equal(out.size, 1 << 24);
        assert_int_equal(out.data[0], 'a');
    }
    write_large(next, 'b');
    assert_int_equal(rename(next, path), 0);
    MUST(read_image(source, &out, IMAGE));
    assert_false(medvl_source_again(source));
    assert_int_equal(out.data[0], 'b');
    MUST(read_image(source, &out, "{\"data\":\"aGVsbA==\"}"));
    assert_null(medvl_source_path(source));
    MUST(read_image(source, &out, IMAGE));
    assert_false(medvl_source_again(source));
    assert_int_equal(out.data[0], 'b');
    medvl_source_free(source);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_work, remove_work)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_picture_comes_from_a_file_base64_or_a_shard),
        CASE(what_is_no_place_is_refused),
        CASE(what_is_not_there_is_known_without_reading_it),
        CASE(the_limit_on_bytes_holds),
        CASE(a_large_file_is_read_again_where_it_has_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
