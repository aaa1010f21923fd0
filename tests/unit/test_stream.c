/* Streams of lines and bytes.  The module is lib/base/stream.h. */
#include "tests/unit/check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/stream.h"

#define MOST ((size_t)1 << 20)

static void put_file(const char *path, const char *data, size_t size)
{
    struct medvl_error err = {0};

    CHECK_OK(medvl_file_write(path, data, size, &err), &err);
}

/* All that a reader gives, block by block. */
static int read_all(struct medvl_text *out, const char *path, int part,
                    int parts, size_t want, size_t max,
                    struct medvl_error *err)
{
    struct medvl_reader *reader;
    int rc;

    rc = medvl_reader_open(&reader, path, part, parts, err);
    if (rc < 0)
        return rc;
    do {
        const size_t before = out->size;
        const int64_t line = medvl_reader_line(reader);

        rc = medvl_reader_lines(reader, out, want, max, err);
        assert_int_equal(rc > 0, out->size > before);
        assert_true(medvl_reader_line(reader) - line >= (rc > 0));
    } while (rc > 0);
    medvl_reader_free(reader);
    return rc;
}

/* "line 1\n" to "line N\n", some of them long. */
static void make_lines(struct medvl_text *text, int count)
{
    struct medvl_error err = {0};
    int i;

    for (i = 1; i <= count; i++)
        CHECK_OK(medvl_text_printf(text, &err, "line %d %*s\n", i,
                                   i % 97 ? i % 31 : 5000, ""),
                 &err);
}

static void write_stream(const char *path, const struct medvl_text *text,
                         size_t step)
{
    struct medvl_error err = {0};
    struct medvl_writer *writer;
    size_t at, size;

    CHECK_OK(medvl_writer_open(&writer, path, ".tmp", false, &err), &err);
    for (at = 0; at < text->size; at += size) {
        size = text->size - at < step ? text->size - at : step;
        CHECK_OK(medvl_writer_put(writer, text->data + at, size, &err), &err);
        if (at % 3 == 0)
            CHECK_OK(medvl_writer_flush(writer, &err), &err);
    }
    CHECK_OK(medvl_writer_close(writer, &err), &err);
}

static void lines_come_back_plain_and_compressed(void **state)
{
    const char *const names[] = {"lines", "lines.zst"};
    struct medvl_text text = {0}, back = {0}, raw = {0};
    struct medvl_error err = {0};
    size_t i, want;

    (void)state;
    make_lines(&text, 3000);
    for (i = 0; i < 2; i++) {
        char *path = check_temp(names[i]);

        write_stream(path, &text, 1000);
        for (want = 1; want < MOST; want *= 40) {
            medvl_text_clear(&back);
            CHECK_OK(read_all(&back, path, 0, 0, want, MOST, &err), &err);
            assert_true(medvl_span_equal(medvl_text_span(&back),
                                         medvl_text_span(&text)));
        }
        CHECK_OK(medvl_file_read(&raw, path, MOST, &err), &err);
        medvl_free(path);
    }
    assert_true(raw.size < text.size + text.size / 3); /* it did compress */
    medvl_text_release(&text);
    medvl_text_release(&back);
    medvl_text_release(&raw);
}

static void compressed_bytes_depend_on_the_content_alone(void **state)
{
    struct medvl_text text = {0}, one = {0}, two = {0};
    struct medvl_error err = {0};
    char *path = check_temp("same.zst");

    (void)state;
    make_lines(&text, 5000);
    write_stream(path, &text, 17);
    CHECK_OK(medvl_file_read(&one, path, MOST, &err), &err);
    write_stream(path, &text, MOST);
    CHECK_OK(medvl_file_read(&two, path, MOST, &err), &err);
    assert_true(medvl_span_equal(medvl_text_span(&one),
                                 medvl_text_span(&two)));
    medvl_text_release(&text);
    medvl_text_release(&one);
    medvl_text_release(&two);
    medvl_free(path);
}

static void parts_put_together_are_the_file(void **state)
{
    struct medvl_text text = {0}, back = {0};
    struct medvl_error err = {0};
    char *path = check_temp("parts");
    int parts, part;

    (void)state;
    make_lines(&text, 40);
    CHECK_OK(medvl_text_puts(&text, "no newline", &err), &err);
    put_file(path, text.data, text.size);
    for (parts = 1; parts <= 300; parts += parts < 20 ? 1 : 93) {
        medvl_text_clear(&back);
        for (part = 1; part <= parts; part++) {
            const size_t before = back.size;

            CHECK_OK(read_all(&back, path, part, parts, 100, MOST, &err),
                     &err);
            if (before && back.size > before)
                assert_int_equal(back.data[before - 1], '\n');
        }
        assert_true(medvl_span_equal(medvl_text_span(&back),
                                     medvl_text_span(&text)));
    }
    medvl_text_release(&text);
    medvl_text_release(&back);
    medvl_free(path);
}

static void a_part_counts_its_lines_in_the_file(void **state)
{
    struct medvl_error err = {0};
    struct medvl_reader *reader;
    struct medvl_text text = {0};
    char *path = check_temp("numbers");
    int64_t done, total;

    (void)state;
    put_file(path, "1\n2\n3\n4\n5\n6\n7\n8\n", 16);
    CHECK_OK(medvl_reader_open(&reader, path, 2, 2, &err), &err);
    assert_int_equal(medvl_reader_line(reader), 5);
    assert_int_equal(medvl_reader_lines(reader, &text, 1, 10, &err), 1);
    assert_string_equal(text.data, "5\n6\n7\n8\n");
    assert_int_equal(medvl_reader_line(reader), 9);
    medvl_reader_progress(reader, &done, &total);
    assert_int_equal(done, 8);
    assert_int_equal(total, 8);
    medvl_reader_free(reader);
    medvl_text_release(&text);
    medvl_free(path);
}

static void a_part_needs_a_plain_file(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};
    struct medvl_reader *reader;
    char *packed = check_temp("part.zst"), *pipe = check_temp("pipe");

    (void)state;
    make_lines(&text, 10);
    write_stream(packed, &text, MOST);
    CHECK_FAILS(medvl_reader_open(&reader, packed, 1, 2, &err), MEDVL_EARG,
                &err, "zstd");
    CHECK_FAILS(medvl_reader_open(&reader, packed, 3, 2, &err), MEDVL_EARG,
                &err, "not in 1..2");
    CHECK_FAILS(medvl_reader_open(&reader, "/dev/null", 1, 2, &err),
                MEDVL_EARG, &err, "of a file only");
    CHECK_FAILS(medvl_reader_open(&reader, pipe, 0, 0, &err), MEDVL_EIO, &err,
                "No such");
    CHECK_FAILS(medvl_reader_open(&reader, "/", 0, 0, &err), MEDVL_EIO, &err,
                "folder");
    medvl_text_release(&text);
    medvl_free(packed);
    medvl_free(pipe);
}

/* Cut anywhere, the whole lines before the cut come, then the error. */
static void a_cut_zstd_stream_is_an_error_never_an_end(void **state)
{
    struct medvl_text text = {0}, raw = {0}, back = {0};
    struct medvl_error err = {0};
    char *path = check_temp("cut.zst");
    size_t cut;

    (void)state;
    make_lines(&text, 300);
    write_stream(path, &text, MOST);
    CHECK_OK(medvl_file_read(&raw, path, MOST, &err), &err);
    for (cut = 4; cut < raw.size; cut += 1 + cut / 8) {
        put_file(path, raw.data, cut);
        medvl_text_clear(&back);
        CHECK_FAILS(read_all(&back, path, 0, 0, 100, MOST, &err),
                    MEDVL_EFORMAT, &err, "cut.zst: ends in the middle");
        assert_true(back.size <= text.size);
        if (back.size)
            assert_memory_equal(back.data, text.data, back.size);
    }
    raw.data[raw.size / 2] ^= 0x55;
    put_file(path, raw.data, raw.size);
    medvl_text_clear(&back);
    CHECK_FAILS(read_all(&back, path, 0, 0, 100, MOST, &err), MEDVL_EFORMAT,
                &err, "cut.zst");
    medvl_text_release(&text);
    medvl_text_release(&raw);
    medvl_text_release(&back);
    medvl_free(path);
}

static void frames_one_after_another_are_one_stream(void **state)
{
    struct medvl_text packed = {0}, back = {0};
    struct medvl_error err = {0};
    char *path = check_temp("frames");

    (void)state;
    CHECK_OK(medvl_zstd_compress(&packed, "a\nb", 3, 3, &err), &err);
    CHECK_OK(medvl_zstd_compress(&packed, "", 0, 3, &err), &err);
    CHECK_OK(medvl_zstd_compress(&packed, "c\n", 2, 3, &err), &err);
    put_file(path, packed.data, packed.size);
    CHECK_OK(read_all(&back, path, 0, 0, 1, MOST, &err), &err);
    assert_string_equal(back.data, "a\nbc\n");
    medvl_text_release(&packed);
    medvl_text_release(&back);
    medvl_free(path);
}

static void a_line_too_long_is_named_after_those_before_it(void **state)
{
    struct medvl_text back = {0};
    struct medvl_error err = {0};
    char *path = check_temp("long");

    (void)state;
    put_file(path, "1\n12345\n123456\n1\n", 17);
    CHECK_FAILS(read_all(&back, path, 0, 0, 100, 5, &err), MEDVL_EFORMAT,
                &err, "long:3: longer than 5 bytes");
    assert_string_equal(back.data, "1\n12345\n");
    CHECK_FAILS(read_all(&back, "/dev/zero", 0, 0, 100, 1 << 20, &err),
                MEDVL_EFORMAT, &err, "/dev/zero:1: longer");
    medvl_text_release(&back);
    medvl_free(path);
}

static void an_empty_file_has_no_lines(void **state)
{
    struct medvl_text back = {0};
    struct medvl_error err = {0};
    char *path = check_temp("empty");

    (void)state;
    put_file(path, "", 0);
    CHECK_OK(read_all(&back, path, 0, 0, 100, 5, &err), &err);
    CHECK_OK(read_all(&back, path, 1, 3, 100, 5, &err), &err);
    assert_int_equal(back.size, 0);
    put_file(path, "\n\n", 2);
    CHECK_OK(read_all(&back, path, 0, 0, 100, 5, &err), &err);
    assert_string_equal(back.data, "\n\n");
    medvl_text_release(&back);
    medvl_free(path);
}

static void a_full_disk_is_an_error(void **state)
{
    char data[300000] = {0};
    struct medvl_error err = {0};
    struct medvl_writer *writer;

    (void)state;
    CHECK_OK(medvl_writer_open(&writer, "/dev/full", ".tmp", false, &err),
             &err);
    CHECK_OK(medvl_writer_put(writer, "x", 1, &err), &err);
    CHECK_FAILS(medvl_writer_close(writer, &err), MEDVL_EOUTPUT, &err,
                "/dev/full: No space");
    CHECK_OK(medvl_writer_open(&writer, "/dev/full", ".part", false, &err),
             &err);
    CHECK_FAILS(medvl_writer_put(writer, data, sizeof(data), &err),
                MEDVL_EOUTPUT, &err, "No space");
    medvl_writer_free(writer);
}

static void the_name_appears_when_all_is_written(void **state)
{
    struct medvl_error err = {0};
    struct medvl_writer *writer;
    struct medvl_text text = {0};
    char *path = check_temp("out"), *tmp = check_temp("out.tmp");
    char *part = check_temp("out.part");

    (void)state;
    CHECK_OK(medvl_writer_open(&writer, path, ".tmp", false, &err), &err);
    CHECK_OK(medvl_writer_put(writer, "1\n", 2, &err), &err);
    medvl_writer_free(writer);
    assert_false(medvl_file_exists(path) || medvl_file_exists(tmp));

    CHECK_OK(medvl_writer_open(&writer, path, ".part", false, &err), &err);
    CHECK_OK(medvl_writer_put(writer, "1\n", 2, &err), &err);
    medvl_writer_free(writer);
    assert_true(!medvl_file_exists(path) && medvl_file_exists(part));
    CHECK_OK(medvl_writer_open(&writer, path, ".part", true, &err), &err);
    CHECK_OK(medvl_writer_put(writer, "2\n", 2, &err), &err);
    assert_false(medvl_file_exists(path));
    CHECK_OK(medvl_writer_close(writer, &err), &err);
    assert_false(medvl_file_exists(part));
    CHECK_OK(medvl_file_read(&text, path, 100, &err), &err);
    assert_string_equal(text.data, "1\n2\n");
    CHECK_FAILS(medvl_writer_open(&writer, "/no/such", ".tmp", false, &err),
                MEDVL_EOUTPUT, &err, "/no/such.tmp");
    medvl_writer_free(NULL);
    medvl_text_release(&text);
    medvl_free(path);
    medvl_free(tmp);
    medvl_free(part);
}

static void one_block_survives_and_a_bomb_does_not_go_off(void **state)
{
    struct medvl_text packed = {0}, back = {0};
    struct medvl_error err = {0};
    unsigned char *zeros = medvl_block_alloc(MOST);

    (void)state;
    CHECK_OK(medvl_zstd_compress(&packed, zeros, MOST, 19, &err), &err);
    CHECK_OK(medvl_text_puts(&back, ">", &err), &err);
    CHECK_OK(medvl_zstd_decompress(&back, packed.data, packed.size, MOST,
                                   &err),
             &err);
    assert_int_equal(back.size, MOST + 1);
    assert_memory_equal(back.data + 1, zeros, MOST);
    CHECK_FAILS(medvl_zstd_decompress(&back, packed.data, packed.size,
                                      MOST - 1, &err),
                MEDVL_EFORMAT, &err, "more than 1048575");
    CHECK_FAILS(medvl_zstd_decompress(&back, packed.data, packed.size - 1,
                                      MOST, &err),
                MEDVL_EFORMAT, &err, "middle");
    CHECK_FAILS(medvl_zstd_decompress(&back, "", 0, MOST, &err),
                MEDVL_EFORMAT, &err, "middle");
    CHECK_FAILS(medvl_zstd_decompress(&back, "nonsense", 8, MOST, &err),
                MEDVL_EFORMAT, &err, "zstd: ");
    CHECK_FAILS(medvl_zstd_compress(&packed, zeros, 1, 20, &err), MEDVL_EARG,
                &err, "1..19");
    assert_int_equal(back.size, MOST + 1);
    medvl_block_free(zeros, MOST);
    medvl_text_release(&packed);
    medvl_text_release(&back);
}

/* A slow producer's lines are not held back until a block is full. */
static void a_pipe_gives_lines_as_they_come(void **state)
{
    const int saved = dup(STDIN_FILENO);
    struct medvl_error err = {0};
    struct medvl_reader *reader;
    struct medvl_text text = {0};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(write(ends[1], "1\n2\n3", 5), 5);
    CHECK_OK(medvl_reader_open(&reader, "-", 0, 0, &err), &err);
    assert_string_equal(medvl_reader_path(reader), "stdin");
    assert_int_equal(medvl_reader_lines(reader, &text, MOST, MOST, &err), 1);
    assert_string_equal(text.data, "1\n2\n");
    close(ends[1]);
    assert_int_equal(medvl_reader_lines(reader, &text, MOST, MOST, &err), 1);
    assert_string_equal(text.data, "1\n2\n3");
    assert_int_equal(medvl_reader_lines(reader, &text, MOST, MOST, &err), 0);
    medvl_reader_free(reader);
    medvl_text_release(&text);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_back_plain_and_compressed),
        cmocka_unit_test(compressed_bytes_depend_on_the_content_alone),
        cmocka_unit_test(parts_put_together_are_the_file),
        cmocka_unit_test(a_part_counts_its_lines_in_the_file),
        cmocka_unit_test(a_part_needs_a_plain_file),
        cmocka_unit_test(a_cut_zstd_stream_is_an_error_never_an_end),
        cmocka_unit_test(frames_one_after_another_are_one_stream),
        cmocka_unit_test(a_line_too_long_is_named_after_those_before_it),
        cmocka_unit_test(an_empty_file_has_no_lines),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(the_name_appears_when_all_is_written),
        cmocka_unit_test(one_block_survives_and_a_bomb_does_not_go_off),
        cmocka_unit_test(a_pipe_gives_lines_as_they_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
