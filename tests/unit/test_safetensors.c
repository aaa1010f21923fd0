/*
 * safetensors: what is written reads back, whole and in pieces; files that
 * lie about themselves are refused by name.
 */
#include "tests/unit/check.h"

#include "lib/base/json.h"
#include "lib/tensor/safetensors.h"

/* A file of a header and some zero bytes of data. */
static void put_file(const char *path, const char *header, uint64_t size,
                     size_t data)
{
    struct medvl_error err = {0};
    const size_t length = strlen(header);
    char *bytes = calloc(1, 8 + length + data);

    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(size >> (8 * i));
    memcpy(bytes + 8, header, length);
    CHECK_OK(medvl_file_write(path, bytes, 8 + length + data, &err), &err);
    free(bytes);
}

static void what_is_written_reads_back(void **state)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    float a[6] = {1, 2, 3, 4, 5, 6};
    uint16_t b[3] = {7, 8, 9};
    uint8_t c[1] = {255};
    const struct medvl_safetensors_entry entries[] = {
        {"z \"quoted\" \xc3\xa9", medvl_tensor_2d(a, MEDVL_DTYPE_F32, 2, 3)},
        {"b", medvl_tensor_1d(b, MEDVL_DTYPE_BF16, 3)},
        {"a", medvl_tensor_1d(c, MEDVL_DTYPE_U8, 1)},
        {"empty", medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, 0, 5)},
    };
    struct medvl_safetensors *st;
    struct medvl_error err = {0};
    const struct medvl_tensor *t;
    char *path = check_temp("written.safetensors");

    (void)state;
    CHECK_OK(medvl_safetensors_write(path, entries, 4, metadata, &err), &err);
    CHECK_OK(medvl_safetensors_open(&st, path, &err), &err);
    assert_int_equal(medvl_safetensors_count(st), 4);
    assert_string_equal(medvl_safetensors_name(st, 0), "a");
    assert_string_equal(medvl_safetensors_metadata(st, "format"), "pt");
    assert_null(medvl_safetensors_metadata(st, "other"));
    t = medvl_safetensors_find(st, entries[0].name);
    assert_non_null(t);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->size[1], 3);
    assert_memory_equal(t->data, a, sizeof(a));
    t = medvl_safetensors_find(st, "b");
    assert_int_equal(t->dtype, MEDVL_DTYPE_BF16);
    assert_memory_equal(t->data, b, sizeof(b));
    assert_null(medvl_safetensors_find(st, "c"));
    medvl_safetensors_free(st);
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

static void pieces_give_the_same_file_as_the_whole(void **state)
{
    float a[4] = {1, 2, 3, 4}, b[2] = {5, 6};
    const struct medvl_safetensors_entry entries[] = {
        {"first", medvl_tensor_2d(a, MEDVL_DTYPE_F32, 2, 2)},
        {"second", medvl_tensor_1d(b, MEDVL_DTYPE_F32, 2)},
    };
    struct medvl_safetensors_writer *writer;
    struct medvl_text x = {0}, y = {0};
    struct medvl_error err = {0};
    char *path = check_temp("pieces.safetensors");
    char *rest = check_temp("pieces.safetensors.data.tmp");

    (void)state;
    CHECK_OK(medvl_safetensors_write(path, entries, 2, NULL, &err), &err);
    CHECK_OK(medvl_file_read(&x, path, 1 << 20, &err), &err);
    CHECK_OK(medvl_safetensors_writer_open(&writer, path, &err), &err);
    for (int i = 0; i < 2; i++)
        CHECK_OK(medvl_safetensors_writer_put(writer, entries[i].name,
                                              &entries[i].tensor, &err),
                 &err);
    CHECK_OK(medvl_safetensors_writer_close(writer, &err), &err);
    CHECK_OK(medvl_file_read(&y, path, 1 << 20, &err), &err);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.data, y.data, x.size);
    assert_false(medvl_file_exists(rest));
    /* A writer that is given up leaves what was there. */
    CHECK_OK(medvl_safetensors_writer_open(&writer, path, &err), &err);
    CHECK_FAILS(medvl_safetensors_writer_put(writer, "__metadata__",
                                             &entries[0].tensor, &err),
                MEDVL_EARG, &err, "__metadata__: the format keeps");
    medvl_safetensors_writer_free(writer);
    assert_false(medvl_file_exists(rest));
    assert_true(medvl_file_exists(path));
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_text_release(&x);
    medvl_text_release(&y);
    medvl_free(path);
    medvl_free(rest);
}

/* As the format's own writer: readers map the numbers where they lie. */
static void data_begins_at_a_multiple_of_eight(void **state)
{
    float a[1] = {1};
    struct medvl_safetensors_entry entry = {
        .tensor = medvl_tensor_1d(a, MEDVL_DTYPE_F32, 1)};
    char name[10] = "", *path = check_temp("aligned.safetensors");
    struct medvl_error err = {0};

    (void)state;
    entry.name = name;
    for (int i = 0; i < 8; i++) {
        struct medvl_text text = {0};

        name[i] = 'x';
        CHECK_OK(medvl_safetensors_write(path, &entry, 1, NULL, &err), &err);
        CHECK_OK(medvl_file_read(&text, path, 1 << 20, &err), &err);
        assert_int_equal((text.size - sizeof(a)) % 8, 0);
        medvl_text_release(&text);
    }
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

static void names_twice_and_rows_with_gaps_are_not_written(void **state)
{
    float a[6] = {0};
    struct medvl_safetensors_entry entries[] = {
        {"x", medvl_tensor_2d(a, MEDVL_DTYPE_F32, 2, 2)},
        {"x", medvl_tensor_2d(a, MEDVL_DTYPE_F32, 2, 2)},
    };
    struct medvl_error err = {0};
    char *path = check_temp("refused.safetensors");

    (void)state;
    CHECK_FAILS(medvl_safetensors_write(path, entries, 2, NULL, &err),
                MEDVL_EFORMAT, &err, "x stands twice");
    entries[0].tensor.stride = 3;
    CHECK_FAILS(medvl_safetensors_write(path, entries, 1, NULL, &err),
                MEDVL_EARG, &err, "dense");
    assert_false(medvl_file_exists(path));
    medvl_free(path);
}

static void files_that_lie_are_refused(void **state)
{
#define ONE(type, shape, at)                          \
    "{\"w\":{\"dtype\":\"" type "\",\"shape\":" shape \
    ",\"data_offsets\":" at "}}"
    static const struct {
        const char *header;
        uint64_t size; /* 0: that of the header */
        size_t data;
        int code;
        const char *says;
    } CASES[] = {
        {"", 0, 0, MEDVL_EFORMAT, "header"},
        {"{}", UINT64_MAX, 0, MEDVL_EFORMAT,
         "a header of 18446744073709551615"},
        {"{}", 3, 0, MEDVL_EFORMAT, "cut short, 10 bytes of 11 or more"},
        {"[]", 0, 0, MEDVL_EFORMAT, "header"},
        {"{\"w\":1}", 0, 0, MEDVL_EFORMAT, "w: no \"shape\""},
        {ONE("F32", "[2]", "[0,8]"), 0, 4, MEDVL_EFORMAT,
         "cut short, 66 bytes of 70; fetch it again"},
        {ONE("F32", "[2]", "[0,8]"), 0, 9, MEDVL_EFORMAT, "the file has 9"},
        {ONE("F32", "[2]", "[4,12]"), 0, 12, MEDVL_EFORMAT, "begins at"},
        {ONE("F32", "[3]", "[0,8]"), 0, 8, MEDVL_EFORMAT, "takes 12 bytes"},
        {ONE("F32", "[2]", "[8,0]"), 0, 8, MEDVL_EFORMAT, "data_offsets"},
        {ONE("F32", "[2]", "[0,1e300]"), 0, 8, MEDVL_EFORMAT, "data_offsets"},
        {ONE("F32", "[-2]", "[0,8]"), 0, 8, MEDVL_EFORMAT, "a size"},
        {ONE("F32", "[1.5]", "[0,8]"), 0, 8, MEDVL_EFORMAT, "a size"},
        {ONE("F32", "[4294967296,4294967296]", "[0,8]"), 0, 8, MEDVL_EFORMAT,
         "too large"},
        {ONE("F99", "[2]", "[0,8]"), 0, 8, MEDVL_EFORMAT, "F99"},
        {ONE("F32", "[1,1,1,1,1,2]", "[0,8]"), 0, 8, MEDVL_EUNSUPPORTED,
         "rank 6"},
        {ONE("U8", "[4294967296,4294967296,0]", "[0,0]"), 0, 0,
         MEDVL_EFORMAT, "too large"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
         0, 6, MEDVL_EFORMAT, "b begins at byte 2"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         0, 2, MEDVL_EFORMAT, "header"},
    };
    char *path = check_temp("hostile.safetensors");
    struct medvl_safetensors *st;
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        put_file(path, CASES[i].header,
                 CASES[i].size ? CASES[i].size : strlen(CASES[i].header),
                 CASES[i].data);
        CHECK_FAILS(medvl_safetensors_open(&st, path, &err), CASES[i].code,
                    &err, CASES[i].says);
        assert_non_null(strstr(err.text, "hostile.safetensors"));
        assert_null(st);
    }
    CHECK_OK(medvl_file_write(path, "1234567", 7, &err), &err);
    CHECK_FAILS(medvl_safetensors_open(&st, path, &err), MEDVL_EFORMAT, &err,
                "cut short, 7 bytes of 8 or more; fetch it again");
    CHECK_OK(medvl_path_remove(path, &err), &err);
    CHECK_FAILS(medvl_safetensors_open(&st, path, &err), MEDVL_EIO, &err,
                "hostile");
    medvl_free(path);
}

/* 2^63 items and none of them: past an int64_t all the same. */
static void sizes_beside_a_zero_are_multiplied_too(void **state)
{
    char *path = check_temp("sizes.safetensors");
    struct medvl_safetensors *st;
    struct medvl_error err = {0};
    static const char HEADER[] =
        "{\"w\":{\"dtype\":\"U8\",\"shape\":[2147483648,4294967296,0],"
        "\"data_offsets\":[0,0]}}";

    (void)state;
    put_file(path, HEADER, strlen(HEADER), 0);
    CHECK_FAILS(medvl_safetensors_open(&st, path, &err), MEDVL_EFORMAT, &err,
                "shape is too large");
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

/* A length of 640 bytes begins as an old pickle does: 0x80, 2. */
static void a_header_of_any_length_is_no_other_format(void **state)
{
    char header[641], *path = check_temp("length.safetensors");
    struct medvl_safetensors *st;
    struct medvl_error err = {0};

    (void)state;
    snprintf(header, sizeof(header), "%-640s",
             "{\"w\":{\"dtype\":\"U8\",\"shape\":[3],"
             "\"data_offsets\":[0,3]}}");
    put_file(path, header, 640, 3);
    CHECK_OK(medvl_safetensors_open(&st, path, &err), &err);
    assert_int_equal(medvl_safetensors_count(st), 1);
    medvl_safetensors_free(st);
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

static void an_error_of_writing_names_the_file_once(void **state)
{
    float data[2] = {1, 2};
    const struct medvl_tensor t = {
        .data = data,
        .dtype = MEDVL_DTYPE_F32,
        .rank = 1,
        .size = {2},
        .stride = 2,
    };
    const struct medvl_safetensors_entry entry = {"w", t};
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(medvl_safetensors_write("/dev/full", &entry, 1, NULL, &err),
                MEDVL_EOUTPUT, &err, "/dev/full: No space");
    assert_null(strstr(err.text + 1, "/dev/full"));
    CHECK_FAILS(medvl_safetensors_write("/no/such", &entry, 1, NULL, &err),
                MEDVL_EOUTPUT, &err, "/no/such.tmp: No such file");
    assert_null(strstr(err.text + 1, "/no/such"));
}

static void types_without_kernels_can_be_seen(void **state)
{
    char *path = check_temp("types.safetensors");
    struct medvl_safetensors *st;
    struct medvl_error err = {0};

    (void)state;
    /* A header of odd length: data is misaligned, and still read. */
    put_file(path, ONE("I64", "[]", "[0,8]"),
             strlen(ONE("I64", "[]", "[0,8]")), 8);
    CHECK_OK(medvl_safetensors_open(&st, path, &err), &err);
    assert_int_equal(medvl_safetensors_tensor(st, 0)->dtype,
                     MEDVL_DTYPE_NONE);
    assert_int_equal(medvl_safetensors_tensor(st, 0)->rank, 1);
    assert_string_equal(medvl_safetensors_type(st, 0), "I64");
    assert_int_equal(medvl_safetensors_bytes(st, 0), 8);
    medvl_safetensors_free(st);
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

/* A file of these bytes in the folder; gone again after the check. */
static void refuse_beside(const char *folder, const char *name,
                          const char *bytes, size_t size, int code,
                          const char *says)
{
    struct medvl_safetensors *st;
    struct medvl_error err = {0};
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, folder, name, &err), &err);
    CHECK_OK(medvl_file_write(path, bytes, size, &err), &err);
    CHECK_FAILS(medvl_safetensors_open(&st, folder, &err), code, &err, says);
    assert_non_null(strstr(err.text, name));
    CHECK_OK(medvl_path_remove(path, &err), &err);
    medvl_free(path);
}

static void other_formats_are_refused_with_what_to_do(void **state)
{
    static const struct {
        const char *name, *says;
    } CASES[] = {
        {"pytorch_model.bin", "never opened; convert them in their folder"},
        {"pytorch_model-00001-of-00002.bin", "python3 -c 'import glob"},
        {"model.pt", "never opened"},
        {"consolidated.00.pth", "the layout of its makers"},
        {"consolidated.safetensors", "the layout of its makers"},
        {"model-00001-of-00002.safetensors", "index.json, which says"},
        {"adapter_model.safetensors", "is an adapter"},
        {"q4.gguf", "GGUF is not read"},
    };
    char *folder = check_temp("others");
    struct medvl_safetensors *st;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    CHECK_FAILS(medvl_safetensors_open(&st, folder, &err), MEDVL_EIO, &err,
                "neither model.safetensors nor model.safetensors.index");
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++)
        refuse_beside(folder, CASES[i].name, "x", 1, MEDVL_EUNSUPPORTED,
                      CASES[i].says);
    refuse_beside(folder, "model.safetensors", "PK\3\4\0\0\10\10..", 10,
                  MEDVL_EUNSUPPORTED, "never opened");
    refuse_beside(folder, "model.safetensors", "GGUF\3\0\0\1..", 10,
                  MEDVL_EUNSUPPORTED, "GGUF is not read");
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

/* Item i of tensor `index` is 10 * index + i: asked for in order. */
static int fill_numbers(void *arg, int64_t index, int64_t first,
                        int64_t count, void *out, struct medvl_error *err)
{
    int64_t *next = arg;
    float *items = out;

    if (next[index] != first)
        return medvl_fail(err, MEDVL_EARG, "asked out of order");
    for (int64_t i = 0; i < count; i++)
        items[i] = (float)(10 * index + first + i);
    next[index] += count;
    return MEDVL_OK;
}

/* The sizes that the index of several files says: of 3, 6 and 4 floats. */
static void check_index(const char *folder, int files)
{
    struct medvl_json *root = NULL;
    const struct medvl_json *all;
    struct medvl_error err = {0};
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, folder, "model.safetensors.index.json",
                             &err),
             &err);
    assert_int_equal(medvl_file_exists(path), files > 1);
    if (files > 1) {
        CHECK_OK(medvl_json_read(&root, path, &err), &err);
        all = medvl_json_get(root, "metadata");
        CHECK_CLOSE(medvl_json_number(medvl_json_get(all, "total_size"), 0),
                    52, 0);
        CHECK_CLOSE(medvl_json_number(
                        medvl_json_get(all, "total_parameters"), 0),
                    13, 0);
        medvl_json_free(root);
    }
    medvl_free(path);
}

static void a_large_model_is_several_files_and_their_index(void **state)
{
    static const char *const metadata[] = {"format", "pt", NULL};
    static const size_t LIMITS[] = {1000, 40, 36, 1};
    static const int FILES[] = {1, 2, 2, 3};
    float a[3] = {0, 1, 2};
    const struct medvl_safetensors_entry entries[] = {
        {"a", medvl_tensor_1d(a, MEDVL_DTYPE_F32, 3)},
        {"b", medvl_tensor_2d(NULL, MEDVL_DTYPE_F32, 2, 3)},
        {"c", medvl_tensor_1d(NULL, MEDVL_DTYPE_F32, 4)},
    };
    struct medvl_safetensors *st;
    struct medvl_error err = {0};

    (void)state;
    for (int k = 0; k < 4; k++) {
        char *folder = check_temp("sharded");
        int64_t next[3] = {0}, bytes;

        CHECK_OK(medvl_folder_make(folder, &err), &err);
        CHECK_OK(medvl_safetensors_write_folder(folder, entries, 3, metadata,
                                                LIMITS[k], fill_numbers,
                                                next, &err),
                 &err);
        CHECK_OK(medvl_safetensors_open(&st, folder, &err), &err);
        assert_int_equal(medvl_safetensors_files(st, &bytes), FILES[k]);
        assert_true(bytes > 52);
        assert_int_equal(medvl_safetensors_count(st), 3);
        for (int i = 0; i < 3; i++) {
            const struct medvl_tensor *t = medvl_safetensors_tensor(st, i);

            for (int j = 0; j < (i == 0 ? 3 : i == 1 ? 6
                                                     : 4);
                 j++)
                assert_true(medvl_float_at(t->data, t->dtype, j) ==
                            (float)(10 * i + j));
        }
        medvl_safetensors_free(st);
        check_index(folder, FILES[k]);
        if (FILES[k] > 1) /* the first model's file, left behind */
            refuse_beside(folder, "model.safetensors", "x", 1, MEDVL_EFORMAT,
                          "remove what belongs to another model");
        CHECK_OK(medvl_path_remove(folder, &err), &err);
        medvl_free(folder);
    }
}

/* A folder of two files and an index. */
static void put_index(const char *folder, const char *index)
{
    struct medvl_error err = {0};
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, folder, "model.safetensors.index.json",
                             &err),
             &err);
    CHECK_OK(medvl_file_write(path, index, strlen(index), &err), &err);
    medvl_free(path);
}

static void a_folder_is_read_by_its_index(void **state)
{
    static const struct {
        const char *index, *says;
    } CASES[] = {
        {"{}", "weight_map"},
        {"{\"weight_map\":{\"a\":1}}", "a: no name of a file"},
        {"{\"weight_map\":{\"a\":\"../x\"}}", "no name of a file in"},
        {"{\"weight_map\":{\"a\":\"2.safetensors\"}}", "a is not in 2"},
        {"{\"weight_map\":{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}}",
         "a is not in 2.safetensors but in 1.safetensors"},
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}",
         "does not name c, in 2.safetensors"},
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"1.safetensors\"}}",
         "b is not in 1"},
        {"{\"weight_map\":{\"a\":\"1.safetensors\"}}", NULL},
        {"{\"weight_map\":{\"b\":\"2.safetensors\"}}",
         "does not name c, in 2.safetensors"},
    };
    uint8_t v[2] = {1, 2};
    const struct medvl_safetensors_entry entries[] = {
        {"a", medvl_tensor_1d(v, MEDVL_DTYPE_U8, 1)},
        {"b", medvl_tensor_1d(v + 1, MEDVL_DTYPE_U8, 1)},
        {"c", medvl_tensor_1d(v, MEDVL_DTYPE_U8, 1)},
    };
    char *folder = check_temp("indexed"), *path = NULL;
    struct medvl_safetensors *st;
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_folder_make(folder, &err), &err);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(medvl_path_join(&path, folder,
                                 i ? "2.safetensors" : "1.safetensors", &err),
                 &err);
        CHECK_OK(medvl_safetensors_write(path, entries + i, 1 + i, NULL,
                                         &err),
                 &err);
        medvl_free(path);
    }
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        put_index(folder, CASES[i].index);
        if (CASES[i].says)
            CHECK_FAILS(medvl_safetensors_open(&st, folder, &err),
                        MEDVL_EFORMAT, &err, CASES[i].says);
    }
    put_index(folder, "{\"weight_map\":{\"b\":\"2.safetensors\",\"a\":\"1."
                      "safetensors\",\"c\":\"2.safetensors\"}}");
    CHECK_OK(medvl_safetensors_open(&st, folder, &err), &err);
    assert_int_equal(medvl_safetensors_count(st), 3);
    assert_int_equal(
        *(uint8_t *)medvl_safetensors_find(st, "b")->data, 2);
    medvl_safetensors_free(st);
    CHECK_OK(medvl_path_remove(folder, &err), &err);
    medvl_free(folder);
}

static int open_once(void *arg, struct medvl_error *err)
{
    struct medvl_safetensors *st;
    int rc = medvl_safetensors_open(&st, arg, err);

    if (rc == MEDVL_OK)
        medvl_safetensors_free(st);
    return rc;
}

static void a_failed_allocation_fails_the_opening_alone(void **state)
{
    char *path = check_temp("oom.safetensors");

    (void)state;
    put_file(path, ONE("F32", "[2]", "[0,8]"),
             strlen(ONE("F32", "[2]", "[0,8]")), 8);
    check_no_memory(open_once, path, 200);
    medvl_path_remove(path, NULL) < 0 ? fail() : (void)0;
    medvl_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(pieces_give_the_same_file_as_the_whole),
        cmocka_unit_test(data_begins_at_a_multiple_of_eight),
        cmocka_unit_test(names_twice_and_rows_with_gaps_are_not_written),
        cmocka_unit_test(files_that_lie_are_refused),
        cmocka_unit_test(sizes_beside_a_zero_are_multiplied_too),
        cmocka_unit_test(a_header_of_any_length_is_no_other_format),
        cmocka_unit_test(an_error_of_writing_names_the_file_once),
        cmocka_unit_test(types_without_kernels_can_be_seen),
        cmocka_unit_test(other_formats_are_refused_with_what_to_do),
        cmocka_unit_test(a_large_model_is_several_files_and_their_index),
        cmocka_unit_test(a_folder_is_read_by_its_index),
        cmocka_unit_test(a_failed_allocation_fails_the_opening_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
