/*
 * DICOM series to records, from files that are made here: order, words,
 * pseudonyms, and nothing of what identifies.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/text.h"
#include "lib/build/series.h"
#include "tests/unit/check.h"

static struct medvl_error err;
static struct medvl_decoder *decoder;
static struct medvl_secret *secret;
static char *folder;

/* ---- files -------------------------------------------------------------- */

/* An element of explicit VR little endian; `vr` as two letters. */
static void element(struct medvl_text *out, unsigned group, unsigned number,
                    const char *vr, const void *data, size_t size)
{
    const bool wide = strstr("OB OW SQ UN", vr);
    const size_t even = size + size % 2;
    unsigned char head[12] = {
        (unsigned char)group, (unsigned char)(group >> 8),
        (unsigned char)number, (unsigned char)(number >> 8),
        (unsigned char)vr[0], (unsigned char)vr[1]};

    if (wide)
        for (int i = 0; i < 4; i++)
            head[8 + i] = (unsigned char)(even >> 8 * i);
    else
        for (int i = 0; i < 2; i++)
            head[6 + i] = (unsigned char)(even >> 8 * i);
    CHECK_OK(medvl_text_append(out, head, wide ? 12 : 8, &err), &err);
    CHECK_OK(medvl_text_append(out, data, size, &err), &err);
    if (size % 2)
        CHECK_OK(medvl_text_putc(out, strcmp(vr, "UI") ? ' ' : '\0', &err),
                 &err);
}

static void word(struct medvl_text *out, unsigned group, unsigned number,
                 const char *vr, const char *text)
{
    if (text)
        element(out, group, number, vr, text, strlen(text));
}

static void small(struct medvl_text *out, unsigned group, unsigned number,
                  unsigned value)
{
    const unsigned char two[2] = {(unsigned char)value,
                                  (unsigned char)(value >> 8)};

    element(out, group, number, "US", two, 2);
}

struct made {
    const char *name; /* of the file */
    const char *modality, *patient, *study, *series, *series_number;
    const char *instance, *position, *orientation, *part, *view, *side;
    const char *burned;
};

/* Every place where a name may hide holds HIDDEN. */
#define HIDDEN "Mustermann^Erika"

static void put_names(struct medvl_text *out)
{
    struct medvl_text item = {0}, sequence = {0};
    unsigned char head[8] = {0xfe, 0xff, 0x00, 0xe0};

    word(&item, 0x0010, 0x0010, "PN", HIDDEN);
    word(&item, 0x0040, 0xa123, "PN", HIDDEN);
    head[4] = (unsigned char)item.size;
    CHECK_OK(medvl_text_append(&sequence, head, 8, &err), &err);
    CHECK_OK(medvl_text_append(&sequence, item.data, item.size, &err), &err);
    word(out, 0x0008, 0x0090, "PN", HIDDEN);
    word(out, 0x0008, 0x1030, "LO", HIDDEN);
    element(out, 0x0008, 0x1140, "SQ", sequence.data, sequence.size);
    element(out, 0x0008, 0x2218, "SQ", sequence.data, sequence.size);
    medvl_text_release(&item);
    medvl_text_release(&sequence);
}

static void make_of_class(const struct made *m, const char *class)
{
    static const uint16_t pixels[4] = {0, 100, 200, 300};
    struct medvl_text meta = {0}, out = {0};
    char path[600];
    FILE *file;

    CHECK_OK(medvl_text_reserve(&out, 132, &err), &err);
    memset(out.data, 0, 128);
    memcpy(out.data + 128, "DICM", 4);
    out.size = 132;
    word(&meta, 2, 0x10, "UI", "1.2.840.10008.1.2.1");
    element(&out, 2, 0, "UL",
            (const unsigned char[4]){(unsigned char)meta.size}, 4);
    CHECK_OK(medvl_text_append(&out, meta.data, meta.size, &err), &err);
    word(&out, 0x0008, 0x0016, "UI", class);
    word(&out, 0x0008, 0x0018, "UI", "1.2.3."
                                     "4");
    word(&out, 0x0008, 0x0060, "CS", m->modality);
    put_names(&out);
    word(&out, 0x0009, 0x0010, "LO", HIDDEN);
    word(&out, 0x0009, 0x1001, "LO", HIDDEN);
    word(&out, 0x0010, 0x0010, "PN", HIDDEN);
    word(&out, 0x0010, 0x0020, "LO", m->patient);
    word(&out, 0x0010, 0x4000, "LT", HIDDEN);
    word(&out, 0x0018, 0x0015, "CS", m->part);
    word(&out, 0x0018, 0x5101, "CS", m->view);
    word(&out, 0x0020, 0x000d, "UI", m->study);
    word(&out, 0x0020, 0x000e, "UI", m->series);
    word(&out, 0x0020, 0x0011, "IS", m->series_number);
    word(&out, 0x0020, 0x0013, "IS", m->instance);
    word(&out, 0x0020, 0x0032, "DS", m->position);
    word(&out, 0x0020, 0x0037, "DS", m->orientation);
    word(&out, 0x0020, 0x0060, "CS", m->side);
    small(&out, 0x0028, 0x0002, 1);
    word(&out, 0x0028, 0x0004, "CS", "MONOCHROME2");
    small(&out, 0x0028, 0x0010, 2);
    small(&out, 0x0028, 0x0011, 2);
    word(&out, 0x0028, 0x0030, "DS", "0.5\\0.25");
    small(&out, 0x0028, 0x0100, 16);
    small(&out, 0x0028, 0x0101, 16);
    small(&out, 0x0028, 0x0102, 15);
    small(&out, 0x0028, 0x0103, 0);
    word(&out, 0x0028, 0x0301, "CS", m->burned);
    word(&out, 0x0028, 0x1054, "LO", HIDDEN);
    word(&out, 0x0028, 0x1056, "LO", HIDDEN);
    word(&out, 0x6000, 0x0022, "LO", HIDDEN);
    element(&out, 0x7fe0, 0x0010, "OW", pixels, sizeof(pixels));
    snprintf(path, sizeof(path), "%s/%s", folder, m->name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(out.data, 1, out.size, file), out.size);
    assert_int_equal(fclose(file), 0);
    medvl_text_release(&meta);
    medvl_text_release(&out);
}

#define CLASS "1.2.840.10008.5.1.4.1.1."

static void make(const struct made *m)
{
    make_of_class(m, CLASS "2");
}

/* ---- reading ------------------------------------------------------------ */

/* What came out, a line each. */
struct found {
    struct medvl_text records, bad;
    int burned_yes, burned_maybe;
};

static int put(void *arg, struct medvl_span json, const char *human,
               struct medvl_error *e)
{
    struct found *f = arg;

    (void)human;
    CHECK_OK(medvl_text_append(&f->records, json.data, json.size, e), e);
    return medvl_text_putc(&f->records, '\n', e);
}

static int bad(void *arg, struct medvl_error *e)
{
    struct found *f = arg;

    return medvl_text_printf(&f->bad, &err, "%s\n", e->text);
}

static void burned(void *arg, const char *path, bool says)
{
    struct found *f = arg;

    (void)path;
    *(says ? &f->burned_yes : &f->burned_maybe) += 1;
}

static int64_t read_all(struct found *f, const char *ask)
{
    const struct medvl_layout_job layout = {.put = put, .bad = bad, .arg = f};
    const char *const paths[] = {folder};
    const struct medvl_series_job job = {.paths = paths,
                                         .path_count = 1,
                                         .secret = secret,
                                         .decoder = decoder,
                                         .ask = ask,
                                         .layout = &layout,
                                         .burned = burned};
    int64_t passed;

    memset(f, 0, sizeof(*f));
    CHECK_OK(medvl_series_read(&passed, &job, &err), &err);
    CHECK_OK(medvl_text_putc(&f->records, '\0', &err), &err);
    CHECK_OK(medvl_text_putc(&f->bad, '\0', &err), &err);
    return passed;
}

static void release(struct found *f)
{
    medvl_text_release(&f->records);
    medvl_text_release(&f->bad);
}

/* Line `number`, from 0, parsed. */
static struct medvl_json *record(const struct found *f, int number)
{
    const char *at = f->records.data;
    struct medvl_json *json = NULL;

    while (number-- > 0) {
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    CHECK_OK(medvl_json_parse(&json,
                              (struct medvl_span){at, strcspn(at, "\n")},
                              &err),
             &err);
    return json;
}

static const char *text(const struct medvl_json *record, const char *name)
{
    const char *value = medvl_json_string(medvl_json_get(record, name));

    return value ? value : "";
}

static const struct medvl_json *image(const struct medvl_json *record)
{
    return medvl_json_first(medvl_json_get(record, "images"));
}

static int start(void **state)
{
    char *key = check_temp("key");
    FILE *file = fopen(key, "wb");

    (void)state;
    if (!file || fputs("not at all a secret key", file) < 0 || fclose(file))
        return -1;
    folder = check_temp("dicom");
    if (mkdir(folder, 0777) ||
        medvl_secret_read(&secret, key, &err) < 0 ||
        medvl_decoder_open(&decoder, NULL, 60, &err) < 0)
        return -1;
    medvl_free(key);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    medvl_decoder_free(decoder);
    medvl_secret_free(secret);
    medvl_free(folder);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    return medvl_path_remove(folder, &err) < 0 || mkdir(folder, 0777);
}

#define AXIAL   "1\\0\\0\\0\\1\\0"
#define CORONAL "1\\0\\0\\0\\0\\-1"

static void slices_are_ordered_by_their_place(void **state)
{
    static const struct made FILES[] = {
        {"a", "CT", "p1", "1.9", "1.9.1", "2", "1", "0\\0\\7.5", AXIAL,
         "HEAD", NULL, NULL, NULL},
        {"b", "CT", "p1", "1.9", "1.9.1", "2", "2", "0\\0\\-2.5", AXIAL,
         "HEAD", NULL, NULL, NULL},
        {"c", "CT", "p1", "1.9", "1.9.1", "2", "3", "0\\0\\2.5", AXIAL,
         "HEAD", NULL, NULL, NULL},
        {"d", "MR", "p1", "1.9", "1.9.2", "1", "9", "0\\3\\0", CORONAL, NULL,
         NULL, NULL, NULL},
    };
    struct medvl_json *r;
    struct found f;

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(*FILES); i++)
        make(&FILES[i]);
    assert_int_equal(read_all(&f, NULL), 0);
    r = record(&f, 0);
    assert_string_equal(text(r, "modality"), "MRI");
    assert_string_equal(text(r, "plane"), "coronal");
    medvl_json_free(r);
    for (int i = 0; i < 3; i++) {
        const struct medvl_json *spacing;

        r = record(&f, 1 + i);
        assert_int_equal(text(image(r), "path")[strlen(folder) + 1],
                         "bca"[i]);
        assert_int_equal(medvl_json_number(medvl_json_get(image(r), "slice"),
                                           -1),
                         i);
        assert_string_equal(text(image(r), "axis"), "axial");
        assert_string_equal(text(r, "body_part"), "head");
        spacing = medvl_json_get(image(r), "spacing");
        CHECK_CLOSE(medvl_json_number(medvl_json_at(spacing, 0), 0), 0.25, 0);
        CHECK_CLOSE(medvl_json_number(medvl_json_at(spacing, 1), 0), 0.5, 0);
        CHECK_CLOSE(medvl_json_number(medvl_json_at(spacing, 2), 0), 5,
                    1e-12);
        medvl_json_free(r);
    }
    release(&f);
}

static void nothing_that_identifies_gets_out(void **state)
{
    static const struct made ONE = {
        "x", "DX", "HOSPITAL-4711", "1.2.276.19720423.1", "1.2.276.1", "1",
        "1", NULL, NULL, "CHEST", "PA", "L", "NO"};
    struct found f, g;

    (void)state;
    make(&ONE);
    read_all(&f, MEDVL_SERIES_ASK);
    assert_null(strstr(f.records.data, "Muster"));
    assert_null(strstr(f.records.data, "Erika"));
    assert_null(strstr(f.records.data, "4711"));
    assert_null(strstr(f.records.data, "1.2.276"));
    assert_null(strstr(f.records.data, "1.2.3.4"));
    /* The same patient under the same key is the same, and others are not. */
    read_all(&g, MEDVL_SERIES_ASK);
    assert_string_equal(f.records.data, g.records.data);
    release(&f);
    release(&g);
}

/* Where a code belongs, and in the tags that medvl-inspect prints. */
static void names_in_the_place_of_codes_stay_inside(void **state)
{
    static const struct made ONE = {
        "x", HIDDEN, "4711", "1.2.276.1", "1.2.276.2", "1", "1", NULL, NULL,
        HIDDEN, HIDDEN, HIDDEN, HIDDEN};
    struct medvl_text text = {0};
    struct medvl_json_writer w = {.out = &text};
    struct medvl_dicom dicom;
    char path[600];
    struct found f;

    (void)state;
    make(&ONE);
    read_all(&f, NULL);
    assert_null(strstr(f.records.data, "Muster"));
    snprintf(path, sizeof(path), "%s/x", folder);
    CHECK_OK(medvl_dicom_file(&dicom, decoder, path, &err), &err);
    assert_non_null(medvl_dicom_tag(&dicom, 0, "Modality"));
    CHECK_OK(medvl_json_print(&text, dicom.tags, &err), &err);
    assert_null(strstr(text.data, "Muster"));
    assert_null(strstr(text.data, "Erika"));
    medvl_text_clear(&text);
    medvl_json_begin(&w, NULL, '{');
    medvl_dicom_put_tags(&w, &dicom);
    medvl_json_end(&w);
    CHECK_OK(medvl_json_write_end(&w, &err), &err);
    CHECK_OK(medvl_text_putc(&text, '\0', &err), &err);
    assert_null(strstr(text.data, "1.2.276"));
    assert_null(strstr(text.data, "4711"));
    assert_non_null(strstr(text.data, "1.2.840.10008.5.1.4.1.1.2"));
    medvl_text_release(&text);
    medvl_dicom_release(&dicom);
    release(&f);
}

static void questions_have_the_tags_as_answers(void **state)
{
    static const struct made ONE = {"x", "DX", "p", "1.1", "1.2", "1", "1",
                                    NULL, NULL, "CHEST", "PA", "L", "NO"};
    static const char *const ANSWERS[] = {"X-ray", "PA", "left", "chest"};
    struct found f;

    (void)state;
    make(&ONE);
    read_all(&f, MEDVL_SERIES_ASK);
    for (int i = 0; i < 4; i++) {
        struct medvl_json *r = record(&f, i);

        assert_string_equal(text(r, "answer"), ANSWERS[i]);
        assert_non_null(strchr(text(r, "question"), '?'));
        assert_string_equal(strchr(text(r, "id"), '?') + 1,
                            text(r, "question_type"));
        medvl_json_free(r);
    }
    release(&f);
    read_all(&f, "view");
    assert_null(strstr(f.records.data, "\"X-ray\",\"answer_type\""));
    assert_non_null(strstr(f.records.data, "\"answer\":\"PA\""));
    release(&f);
    CHECK_FAILS(medvl_series_check_ask("view,age", &err), MEDVL_EARG, &err,
                "'age'");
}

static void burned_words_are_reported(void **state)
{
    static const struct made FILES[] = {
        {"a", "US", "p", "1.1", "1.2", "1", "1", NULL, NULL, NULL, NULL, NULL,
         NULL},
        {"b", "US", "p", "1.1", "1.2", "1", "2", NULL, NULL, NULL, NULL, NULL,
         "NO"},
        {"c", "CT", "p", "1.1", "1.2", "1", "3", NULL, NULL, NULL, NULL, NULL,
         "YES"},
    };
    struct found f;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        make(&FILES[i]);
    read_all(&f, NULL);
    assert_int_equal(f.burned_maybe, 1);
    assert_int_equal(f.burned_yes, 1);
    release(&f);
}

/* What a header says of words, and what its kind makes likely. */
static void words_are_supposed_where_nothing_denies_them(void **state)
{
    static const struct {
        const char *says, *modality, *class;
        int maybe, yes;
    } CASES[] = {
        {NULL, NULL, CLASS "6.1", 1, 0},
        {NULL, NULL, CLASS "6.2", 1, 0},
        {NULL, NULL, CLASS "3.1", 1, 0},
        {NULL, NULL, CLASS "7", 1, 0},
        {NULL, NULL, CLASS "7.4", 1, 0},
        {NULL, NULL, CLASS "77.1.1", 1, 0},
        {NULL, NULL, CLASS "66.4", 0, 0},
        {NULL, NULL, CLASS "2", 0, 0},
        {"NO", NULL, CLASS "6.1", 0, 0},
        {"NO", "US", CLASS "6.1", 0, 0},
        {NULL, "IVUS", CLASS "2", 1, 0},
        {NULL, "ES", CLASS "2", 1, 0},
        {NULL, "XC", CLASS "2", 1, 0},
        {NULL, "OT", CLASS "2", 1, 0},
        {NULL, "SC", CLASS "2", 1, 0},
        {NULL, "MR", CLASS "2", 0, 0},
        {"YES", "MR", CLASS "2", 0, 1},
        {"Y", "MR", CLASS "2", 1, 0},
        {"TRUE", "MR", CLASS "2", 1, 0},
        {"yes", "MR", CLASS "2", 1, 0},
        {"no", "MR", CLASS "2", 1, 0},
        {"NO\\YES", "MR", CLASS "2", 1, 0},
        {HIDDEN, "MR", CLASS "2", 1, 0},
        {"", "MR", CLASS "2", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
        const struct made one = {.name = "x",
                                 .modality = CASES[i].modality,
                                 .burned = CASES[i].says};
        struct found f;

        make_of_class(&one, CASES[i].class);
        read_all(&f, NULL);
        if (f.burned_maybe != CASES[i].maybe || f.burned_yes != CASES[i].yes)
            fail_msg("case %zu: maybe %d, yes %d", i, f.burned_maybe,
                     f.burned_yes);
        release(&f);
    }
}

/* Where `name` in the folder is. */
static char *at(const char *name)
{
    char *path;

    CHECK_OK(medvl_path_join(&path, folder, name, &err), &err);
    return path;
}

static int count_lines(const struct medvl_text *text)
{
    int count = 0;

    for (size_t i = 0; i < text->size; i++)
        count += text->data[i] == '\n';
    return count;
}

/* Loops, and ways to one folder that double at each level. */
static void folders_that_links_lead_to_are_read_once(void **state)
{
    static const struct made ONE = {.name = "in/x", .modality = "CT"};
    static const char *const LINKS[][2] = {
        {".", "loop"}, {"..", "in/up"}, {"in", "other"}, {"in", "another"}};
    char *in = at("in");
    struct found f;

    (void)state;
    alarm(100);
    assert_int_equal(mkdir(in, 0777), 0);
    make(&ONE);
    for (int i = 0; i < 4; i++) {
        char *path = at(LINKS[i][1]);

        assert_int_equal(symlink(LINKS[i][0], path), 0);
        medvl_free(path);
    }
    for (int i = 0; i < 200; i++) { /* more than there is room for at first */
        char name[16], *path;

        snprintf(name, sizeof(name), "%d", i);
        path = at(name);
        assert_int_equal(mkdir(path, 0777), 0);
        medvl_free(path);
    }
    assert_int_equal(read_all(&f, NULL), 0);
    assert_int_equal(count_lines(&f.records), 1);
    assert_int_equal(count_lines(&f.bad), 0);
    alarm(0);
    release(&f);
    medvl_free(in);
}

/* They do not end the reading of what is beside them. */
static void folders_and_pipes_that_cannot_be_read_are_set_aside(void **state)
{
    static const struct made ONE = {.name = "x", .modality = "CT"};
    char *pipe = at("pipe"), *shut = at("shut");
    struct medvl_text deep = {0};
    struct found f;

    (void)state;
    make(&ONE);
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_int_equal(mkdir(shut, 0), 0);
    CHECK_OK(medvl_text_puts(&deep, folder, &err), &err);
    for (int i = 0; i < 66; i++)
        CHECK_OK(medvl_text_puts(&deep, "/d", &err), &err);
    CHECK_OK(medvl_folder_make(deep.data, &err), &err);
    alarm(100);
    assert_int_equal(read_all(&f, NULL), 0);
    alarm(0);
    assert_int_equal(count_lines(&f.records), 1);
    assert_non_null(strstr(f.bad.data, "pipe: not a regular file\n"));
    assert_non_null(strstr(f.bad.data, "/d/d: over 64 folders deep\n"));
    if (geteuid()) /* to the superuser nothing is shut */
        assert_non_null(strstr(f.bad.data, "shut: Permission denied\n"));
    assert_int_equal(count_lines(&f.bad), geteuid() ? 3 : 2);
    assert_int_equal(chmod(shut, 0777), 0);
    release(&f);
    medvl_text_release(&deep);
    medvl_free(pipe);
    medvl_free(shut);
}

static void what_is_no_picture_is_passed_over_or_set_aside(void **state)
{
    static const struct made ONE = {"deep/x", "CT", "p", "1.1", "1.2", "1",
                                    "1", NULL, NULL, NULL, NULL, NULL, NULL};
    char path[600];
    struct found f;
    FILE *file;

    (void)state;
    snprintf(path, sizeof(path), "%s/deep", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    make(&ONE);
    snprintf(path, sizeof(path), "%s/notes.txt", folder);
    file = fopen(path, "wb");
    assert_true(file && fputs("no DICOM", file) >= 0 && !fclose(file));
    snprintf(path, sizeof(path), "%s/cut.dcm", folder);
    file = fopen(path, "wb");
    assert_true(file && fputs("no DICOM", file) >= 0 && !fclose(file));
    assert_int_equal(read_all(&f, NULL), 1);
    assert_non_null(strstr(f.bad.data, "cut.dcm"));
    assert_non_null(strstr(f.records.data, "deep/x"));
    release(&f);
}

/* ---- whole series ------------------------------------------------------- */

static int whole(void *arg, const struct medvl_series *s,
                 struct medvl_error *e)
{
    struct found *f = arg;

    CHECK_OK(medvl_text_printf(&f->records, e,
                               "%zu/%zu %zu %s|%s|%s|%s|%s|%s %d %d\n",
                               s->number, s->all, s->count,
                               s->modality ? s->modality : "",
                               s->view ? s->view : "",
                               s->laterality ? s->laterality : "",
                               s->body_part ? s->body_part : "",
                               s->burned_in ? s->burned_in : "", s->hash,
                               s->group == s->study, strlen(s->series) == 32),
             e);
    for (size_t i = 0; i < s->count; i++)
        CHECK_OK(medvl_text_printf(&f->records, e, "%c",
                                   s->paths[i][strlen(folder) + 1]),
                 e);
    return medvl_text_putc(&f->records, '\n', e);
}

static int pass(void *arg, const struct medvl_series *s,
                struct medvl_error *e)
{
    (void)arg;
    (void)s;
    (void)e;
    return MEDVL_OK;
}

static int read_whole(void *arg, struct medvl_error *e)
{
    struct medvl_series_job job = *(const struct medvl_series_job *)arg;
    int64_t passed;

    job.whole = pass;
    return medvl_series_read(&passed, &job, e);
}

/* One call for each, with what all its files say. */
static void series_are_given_whole(void **state)
{
    static const struct made FILES[] = {
        {"a", "CT", "p1", "1.9", "1.9.1", "2", "2", NULL, NULL, "HEAD", "AP",
         "L", "YES"},
        {"b", "CT", "p1", "1.9", "1.9.1", "2", "1", NULL, NULL, "NECK", "AP",
         NULL, "NO"},
        {"c", "MR", NULL, "1.9", "1.9.2", "1", "9", NULL, NULL, NULL, NULL,
         NULL, "NO"},
    };
    struct found f = {0};
    const struct medvl_layout_job layout = {.put = put, .bad = bad, .arg = &f};
    const char *const paths[] = {folder};
    const struct medvl_series_job job = {.paths = paths,
                                         .path_count = 1,
                                         .secret = secret,
                                         .decoder = decoder,
                                         .layout = &layout,
                                         .whole = whole};
    int64_t passed;

    (void)state;
    for (size_t i = 0; i < sizeof(FILES) / sizeof(*FILES); i++)
        make(&FILES[i]);
    CHECK_OK(medvl_series_read(&passed, &job, &err), &err);
    CHECK_OK(medvl_text_putc(&f.records, '\0', &err), &err);
    assert_non_null(strstr(f.records.data, "0/2 1 MRI|||||"));
    assert_non_null(strstr(f.records.data, " 1 1\nc\n"));
    assert_non_null(strstr(f.records.data, "1/2 2 CT|AP|||yes|"));
    assert_non_null(strstr(f.records.data, " 0 1\nba\n"));
    check_no_memory(read_whole, (void *)&job, 2000);
    release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(slices_are_ordered_by_their_place, clear),
        cmocka_unit_test_setup(nothing_that_identifies_gets_out, clear),
        cmocka_unit_test_setup(names_in_the_place_of_codes_stay_inside,
                               clear),
        cmocka_unit_test_setup(questions_have_the_tags_as_answers, clear),
        cmocka_unit_test_setup(burned_words_are_reported, clear),
        cmocka_unit_test_setup(words_are_supposed_where_nothing_denies_them,
                               clear),
        cmocka_unit_test_setup(folders_that_links_lead_to_are_read_once,
                               clear),
        cmocka_unit_test_setup(
            folders_and_pipes_that_cannot_be_read_are_set_aside, clear),
        cmocka_unit_test_setup(series_are_given_whole, clear),
        cmocka_unit_test_setup(what_is_no_picture_is_passed_over_or_set_aside,
                               clear),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
