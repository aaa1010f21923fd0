/*
 * Torture: whole operations of the floor with the 0th, 1st, 2nd ...
 * allocation failing.  Each must return MEDVL_ENOMEM and leak nothing.
 */
#include "tests/unit/check.h"

#include "lib/base/hash.h"
#include "lib/base/pool.h"
#include "lib/base/stream.h"

#define MOST 200

static int append_and_print(void *arg, struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc = MEDVL_OK, i;

    (void)arg;
    for (i = 0; i < 100 && rc == MEDVL_OK; i++)
        rc = medvl_text_printf(&text, err, "%d, ", i);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(&text, "end", err);
    medvl_text_release(&text);
    return rc;
}

static int parse_long_number(void *arg, struct medvl_error *err)
{
    const char *text = "3.14159265358979323846264338327950288419716939937510"
                       "58209749445923078164062862089986280348253421170679";
    double value;

    (void)arg;
    return medvl_parse_real(&value, medvl_span(text), 3, 4, err);
}

static int write_lines(const char *path, struct medvl_error *err)
{
    struct medvl_writer *writer;
    int rc, i;

    rc = medvl_writer_open(&writer, path, ".tmp", false, err);
    if (rc < 0)
        return rc;
    for (i = 0; i < 1000 && rc == MEDVL_OK; i++)
        rc = medvl_writer_put(writer, "a line of some length\n", 22, err);
    if (rc == MEDVL_OK)
        return medvl_writer_close(writer, err);
    medvl_writer_free(writer);
    return rc;
}

static int read_lines(const char *path, int part, int parts,
                      struct medvl_error *err)
{
    struct medvl_reader *reader;
    struct medvl_text block = {0};
    int rc;

    rc = medvl_reader_open(&reader, path, part, parts, err);
    if (rc < 0)
        return rc;
    do
        rc = medvl_reader_lines(reader, &block, 1000, 1000, err);
    while (rc > 0);
    medvl_text_release(&block);
    medvl_reader_free(reader);
    return rc;
}

static int stream_there_and_back(void *arg, struct medvl_error *err)
{
    int rc;

    rc = write_lines(arg, err);
    if (rc == MEDVL_OK)
        rc = read_lines(arg, 0, 0, err);
    return rc;
}

static int take_parts(void *arg, struct medvl_error *err)
{
    int rc = MEDVL_OK, part;

    for (part = 1; part <= 3 && rc == MEDVL_OK; part++)
        rc = read_lines(arg, part, 3, err);
    return rc;
}

static int use_folders(void *arg, struct medvl_error *err)
{
    struct medvl_names names = {0};
    struct medvl_text text = {0};
    char *file = NULL;
    int rc;

    rc = medvl_folder_make(arg, err);
    if (rc == MEDVL_OK)
        rc = medvl_path_join(&file, arg, "file", err);
    if (rc == MEDVL_OK)
        rc = medvl_file_write(file, "abc", 3, err);
    if (rc == MEDVL_OK)
        rc = medvl_file_read(&text, file, 100, err);
    if (rc == MEDVL_OK)
        rc = medvl_link_replace("nowhere", file, err);
    if (rc == MEDVL_OK)
        rc = medvl_folder_list(&names, arg, err);
    medvl_names_release(&names);
    medvl_text_release(&text);
    medvl_free(file);
    return rc;
}

static int pack_a_block(void *arg, struct medvl_error *err)
{
    struct medvl_text packed = {0}, back = {0};
    char data[10000] = {0};
    int rc;

    (void)arg;
    rc = medvl_zstd_compress(&packed, data, sizeof(data), 3, err);
    if (rc == MEDVL_OK)
        rc = medvl_zstd_decompress(&back, packed.data, packed.size,
                                   sizeof(data), err);
    medvl_text_release(&packed);
    medvl_text_release(&back);
    return rc;
}

static int hash_in_pieces(void *arg, struct medvl_error *err)
{
    struct medvl_hash *hash;
    const int rc = medvl_hash_new(&hash, err);

    (void)arg;
    medvl_hash_free(hash);
    return rc;
}

static int open_a_team(void *arg, struct medvl_error *err)
{
    struct medvl_pool *pool;
    const int rc = medvl_pool_open(&pool, 0, err);

    (void)arg;
    medvl_pool_free(pool);
    return rc;
}

static void a_failing_allocation_is_reported(void **state)
{
    char *plain = check_temp("oom"), *packed = check_temp("oom.zst");
    char *folder = check_temp("oom.d/e");

    (void)state;
    check_no_memory(append_and_print, NULL, MOST);
    check_no_memory(parse_long_number, NULL, MOST);
    check_no_memory(stream_there_and_back, plain, MOST);
    check_no_memory(stream_there_and_back, packed, MOST);
    check_no_memory(take_parts, plain, MOST);
    check_no_memory(use_folders, folder, MOST);
    check_no_memory(pack_a_block, NULL, MOST);
    check_no_memory(hash_in_pieces, NULL, MOST);
    check_no_memory(open_a_team, NULL, MOST);
    medvl_free(plain);
    medvl_free(packed);
    medvl_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_allocation_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
