/*
 * De-identification of values that look right: text cut to the size of each
 * VR, on every line of the list of what is kept, and tables of text whose
 * descriptors fit.
 */
#include "lib/image/deidentify.h"
#include "lib/image/deidentify_part.h"
#include "tests/unit/check.h"
#include "tests/unit/dicom_file.h"

#define NAME "DOE^JOHN"
#define DATE "19450312"

static struct medvl_error err;
static struct medvl_decoder *decoder;
static struct medvl_secret *secret;

static int start(void **state)
{
    char *key = check_temp("deidentify_values_key");
    int rc = medvl_file_write(key, "sixteen bytes and more", 22, &err);

    (void)state;
    if (rc == MEDVL_OK)
        rc = medvl_secret_read(&secret, key, &err);
    if (rc == MEDVL_OK)
        rc = medvl_decoder_open(&decoder, NULL, 60, &err);
    (void)!medvl_path_remove(key, NULL);
    medvl_free(key);
    return rc;
}

static int stop(void **state)
{
    (void)state;
    medvl_secret_free(secret);
    medvl_decoder_free(decoder);
    return 0;
}

/* The file de-identified, or why not, as it stands before its pixels. */
static int header(struct medvl_text *out, const struct medvl_text *file)
{
    struct medvl_dicom dicom;
    const struct medvl_deidentify job = {&dicom, decoder, secret, "one"};
    int rc;

    CHECK_OK(medvl_dicom_bytes(&dicom, decoder, medvl_text_span(file), &err),
             &err);
    medvl_text_clear(out);
    rc = medvl_deidentify_header(out, &job, &err);
    medvl_dicom_release(&dicom);
    return rc;
}

static bool has(const struct medvl_text *text, const void *bytes, size_t size)
{
    return memmem(text->data, text->size, bytes, size) != NULL;
}

static bool has_tag(const struct medvl_text *text, uint32_t tag)
{
    const unsigned char bytes[] = {
        (unsigned char)(tag >> 16), (unsigned char)(tag >> 24),
        (unsigned char)tag, (unsigned char)(tag >> 8)};

    return has(text, bytes, 4);
}

/* ---- every line of the list --------------------------------------------- */

/* What the file needs to be read. */
static void put_made(struct medvl_text *out, uint32_t tag)
{
    switch (tag) {
    case 0x00080016:
        dicom_text(out, tag, "UI", "1.2.840.10008.5.1.4.1.1.2");
        break;
    case 0x00280002: dicom_word(out, tag, "US", 1); break;
    case 0x00280004: dicom_text(out, tag, "CS", "MONOCHROME2"); break;
    case 0x00280010:
    case 0x00280011: dicom_word(out, tag, "US", 2); break;
    case 0x00280100:
    case 0x00280101: dicom_word(out, tag, "US", 16); break;
    case 0x00280102: dicom_word(out, tag, "US", 15); break;
    case 0x00280103: dicom_word(out, tag, "US", 0); break;
    default: break;
    }
}

/* As much as the line lets through, be it sense or not. */
static void put_number(struct medvl_text *out, const struct medvl_keep *keep,
                       const char *value)
{
    const char vr[3] = {keep->vr[0], keep->vr[1], 0};
    const size_t bytes = medvl_vr_bytes(vr);
    char text[80] = "";
    size_t size = 0;

    if (medvl_vr_is_text(vr)) {
        for (int i = 0; i < keep->most && i < 8; i++)
            size += (size_t)snprintf(text + size, sizeof(text) - size,
                                     "%s" DATE, i ? "\\" : "");
        dicom_text(out, keep->tag, vr, text);
        return;
    }
    for (int i = 0; i < keep->most && i < 8; i++, size += bytes)
        for (size_t k = 0; k < bytes; k++)
            text[size + k] = value[(size + k) % 8];
    dicom_bytes(out, keep->tag, vr, text, size);
}

static void put_table(struct medvl_text *out, const void *data, int count)
{
    const uint16_t descriptor[] = {(uint16_t)count, 0, 16};

    dicom_bytes(out, 0x00283002, "US", descriptor, 6);
    dicom_text(out, 0x00283003, "LO", NAME);
    dicom_bytes(out, 0x00283006, "OW", data, (size_t)count * 2);
}

/* Of a first item that stays, and a second. */
static void put_tables(struct medvl_text *out, uint32_t tag)
{
    const size_t at = out->size;
    size_t second;

    put_table(out, "\0\0\1\0\1\1\2\2", 4);
    CHECK_OK(medvl_dataset_wrap(out, at, MEDVL_DATASET_ITEM, NULL, &err),
             &err);
    second = out->size;
    put_table(out, NAME, 4);
    CHECK_OK(medvl_dataset_wrap(out, second, MEDVL_DATASET_ITEM, NULL, &err),
             &err);
    CHECK_OK(medvl_dataset_wrap(out, at, tag, "SQ", &err), &err);
}

static void put_list(struct medvl_text *out, const struct medvl_keep *list,
                     size_t count, const char *value)
{
    for (const struct medvl_keep *k = list; k < list + count; k++) {
        const char vr[3] = {k->vr[0], k->vr[1], 0};
        const size_t at = out->size;

        switch (k->what) {
        case MEDVL_KEEP_MADE: put_made(out, k->tag); break;
        case MEDVL_KEEP_NEEDED: break;
        case MEDVL_KEEP_NUMBER: put_number(out, k, value); break;
        case MEDVL_KEEP_TABLE: put_tables(out, k->tag); break;
        case MEDVL_KEEP_ITEMS:
            put_list(out, k->items, k->count, value);
            dicom_wrap(out, at, k->tag);
            break;
        case MEDVL_KEEP_PALETTE:
            if (k->tag < 0x00281200)
                dicom_bytes(out, k->tag, "US", "\4\0\0\0\x10\0", 6);
            else
                dicom_bytes(out, k->tag, "OW", NAME, 8);
            break;
        default: dicom_text(out, k->tag, vr, NAME); break;
        }
    }
}

static void text_of_the_right_size_gets_out_of_no_line(void **state)
{
    /* The second is a fraction between 2 and 100. */
    static const char *const VALUES[] = {NAME, "DOE^JOH@", "DO\0\0E^\0\0",
                                         "DOE^JOH?"};

    (void)state;
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(*VALUES); i++) {
        struct medvl_text file = {0}, out = {0};

        dicom_begin(&file, "", SYNTAX_EXPLICIT, NULL);
        put_list(&file, medvl_keep_all, medvl_keep_count, VALUES[i]);
        dicom_bytes(&file, 0x7fe00010, "OW", "abcdefgh", 8);
        assert_true(has(&file, "DO", 2) && has(&file, DATE, 8));
        CHECK_OK(header(&out, &file), &err);
        assert_true(out.size > 1000);
        for (int k = 0; k + 4 <= 8; k++)
            if (has(&out, NAME + k, 4))
                fail_msg("\"%.4s\" of \"%s\"", NAME + k, VALUES[i]);
        assert_false(has(&out, DATE, 8));
        assert_false(has_tag(&out, 0x00281101) || has_tag(&out, 0x00281201));
        assert_true(has_tag(&out, 0x00283000) && has_tag(&out, 0x00283010));
        medvl_text_release(&file);
        medvl_text_release(&out);
    }
}

/* ---- tables ------------------------------------------------------------- */

static void put_head(struct medvl_text *file, const char *colours)
{
    dicom_begin(file, "", SYNTAX_EXPLICIT, NULL);
    dicom_text(file, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.7");
    dicom_word(file, 0x00280002, "US", 1);
    dicom_text(file, 0x00280004, "CS", colours);
    dicom_word(file, 0x00280010, "US", 2);
    dicom_word(file, 0x00280011, "US", 2);
    dicom_word(file, 0x00280100, "US", 8);
    dicom_word(file, 0x00280101, "US", 8);
    dicom_word(file, 0x00280102, "US", 7);
    dicom_word(file, 0x00280103, "US", 0);
}

static void put_end(struct medvl_text *file)
{
    dicom_bytes(file, 0x7fe00010, "OB", "\0\1\2\3", 4);
}

static int with_palettes(struct medvl_text *out, const void *data,
                         size_t size, int count)
{
    const uint16_t descriptor[] = {(uint16_t)count, 0, 16};
    struct medvl_text file = {0};
    int rc;

    put_head(&file, "PALETTE COLOR");
    for (uint32_t i = 1; i <= 3; i++)
        dicom_bytes(&file, 0x00281100 + i, "US", descriptor, 6);
    for (uint32_t i = 1; i <= 3; i++)
        dicom_bytes(&file, 0x00281200 + i, "OW", data, size);
    put_end(&file);
    rc = header(out, &file);
    medvl_text_release(&file);
    return rc;
}

static void palettes_that_spell_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int count;
    } PALETTES[] = {{NAME, 8, 4},
                    {NAME, 6, 3},
                    {NAME, 8, 8},
                    {"Doe Karl", 8, 8},
                    {"J\0O\0H\0N\0", 8, 4},
                    {"\0J\0O\0H\0N", 8, 4},
                    {"\xff\xfe" DATE, 10, 10},
                    {"", 0, 4},
                    {NAME, 8, 3}};
    static const char *const WHY[] = {"text", "text", "text", "text", "text",
                                      "text", "text", "damaged", "damaged"};
    struct medvl_text out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(PALETTES) / sizeof(*PALETTES); i++) {
        const int rc = with_palettes(&out, PALETTES[i].bytes,
                                     PALETTES[i].size, PALETTES[i].count);

        assert_true(rc < 0);
        assert_non_null(strstr(err.text, WHY[i]));
    }
    medvl_text_release(&out);
}

/* Ramps of all slopes, up and down, of bytes and of words. */
static void palettes_of_colours_stay(void **state)
{
    struct medvl_text out = {0};

    (void)state;
    for (int by = 1; by < 40; by++) {
        uint8_t bytes[256];
        uint16_t words[256];

        for (int i = 0; i < 256; i++) {
            const int wave = i * by % 512;
            const int up = wave < 256 ? wave : 511 - wave;

            /* Steps are wide only where a palette is short. */
            bytes[i] = (uint8_t)(by > 8 ? i * by / 40 : up);
            words[i] = (uint16_t)(bytes[i] * (by % 2 ? 257 : 256) +
                                  (by % 3 ? 0 : i % 200));
        }
        CHECK_OK(with_palettes(&out, bytes, 256, 256), &err);
        assert_true(has(&out, bytes, 256));
        CHECK_OK(with_palettes(&out, words, 512, 256), &err);
        assert_true(has(&out, words, 512));
    }
    medvl_text_release(&out);
}

static void segmented_palettes_are_refused(void **state)
{
    struct medvl_text file = {0}, out = {0};

    (void)state;
    put_head(&file, "PALETTE COLOR");
    for (uint32_t i = 1; i <= 3; i++)
        dicom_bytes(&file, 0x00281100 + i, "US", "\4\0\0\0\x10\0", 6);
    for (uint32_t i = 1; i <= 3; i++)
        dicom_bytes(&file, 0x00281220 + i, "OW", "\0\0\4\0\1\0\2\0", 8);
    put_end(&file);
    CHECK_FAILS(header(&out, &file), MEDVL_EUNSUPPORTED, &err, "segmented");
    medvl_text_release(&file);
    medvl_text_release(&out);
}

/* The file with one table, in that sequence. */
static int with_table(struct medvl_text *out, uint32_t tag, const void *data)
{
    struct medvl_text file = {0};
    size_t at;
    int rc;

    put_head(&file, "MONOCHROME2");
    at = file.size;
    put_table(&file, data, 4);
    dicom_wrap(&file, at, tag);
    put_end(&file);
    rc = header(out, &file);
    medvl_text_release(&file);
    return rc;
}

static void tables_of_grey_rise_or_fall(void **state)
{
    static const char FALLS[] = "\3\2\2\2\2\2\1\0";
    struct medvl_text out = {0};

    (void)state;
    CHECK_OK(with_table(&out, 0x00283000, FALLS), &err);
    assert_true(has(&out, FALLS, 8));
    CHECK_OK(with_table(&out, 0x00283010, FALLS), &err);
    assert_true(has(&out, FALLS, 8));
    CHECK_OK(with_table(&out, 0x00283010, NAME), &err);
    assert_false(has_tag(&out, 0x00283010));
    CHECK_FAILS(with_table(&out, 0x00283000, NAME), MEDVL_EUNSUPPORTED, &err,
                "modality table");
    medvl_text_release(&out);
}

/* Without it the same numbers would mean something else. */
static void a_rescale_that_goes_is_an_error(void **state)
{
    static const char *const SLOPES[] = {"1e8", DATE, "JOHN", "1\\2"};
    struct medvl_text out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(SLOPES) / sizeof(*SLOPES); i++) {
        struct medvl_text file = {0};

        put_head(&file, "MONOCHROME2");
        dicom_text(&file, 0x00281053, "DS", SLOPES[i]);
        put_end(&file);
        CHECK_FAILS(header(&out, &file), MEDVL_EUNSUPPORTED, &err,
                    "(0028,1053)");
        medvl_text_release(&file);
    }
    medvl_text_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_the_right_size_gets_out_of_no_line),
        cmocka_unit_test(palettes_that_spell_are_refused),
        cmocka_unit_test(palettes_of_colours_stay),
        cmocka_unit_test(segmented_palettes_are_refused),
        cmocka_unit_test(tables_of_grey_rise_or_fall),
        cmocka_unit_test(a_rescale_that_goes_is_an_error),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
