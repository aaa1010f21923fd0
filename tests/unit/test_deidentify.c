/*
 * De-identification: files are made that hide a secret of its own in each
 * place where there is room for one, and none of them may come out, be it
 * in a file, a record, a report or an error.
 */
#include <sys/stat.h>

#include "lib/base/hash.h"
#include "lib/image/deidentify.h"
#include "lib/image/deidentify_part.h"
#include "lib/stage/import.h"
#include "tests/unit/check.h"
#include "tests/unit/dicom_file.h"

static struct medvl_error err;
static struct medvl_decoder *decoder;
static struct medvl_secret *secret;
static char *key, *in, *out, *records, *rejects;

/* ---- secrets ------------------------------------------------------------ */

static struct place {
    char secret[24];
    const char *where;
} places[200];
static size_t place_count;

/* Another one for each place.  Capitals and digits, so that it would be a
 * code too; or digits and points, a UID. */
static const char *hidden(const char *where)
{
    struct place *p = &places[place_count];

    assert_true(place_count < sizeof(places) / sizeof(*places));
    snprintf(p->secret, sizeof(p->secret), "GEHEM%03d", (int)place_count++);
    p->where = where;
    return p->secret;
}

static const char *hidden_uid(const char *where)
{
    struct place *p = &places[place_count];

    (void)hidden(where);
    snprintf(p->secret, sizeof(p->secret), "1.2.276.0.4711.9%03d",
             (int)place_count);
    return p->secret;
}

static const char *secret_of(const char *where)
{
    for (size_t i = 0; i < place_count; i++)
        if (strcmp(places[i].where, where) == 0)
            return places[i].secret;
    fail_msg("nothing is hidden in %s", where);
    return NULL;
}

static void check_absent(const struct medvl_text *text, const char *what)
{
    for (size_t i = 0; i < place_count; i++)
        if (text->size &&
            memmem(text->data, text->size, places[i].secret,
                   strlen(places[i].secret)))
            fail_msg("%s: the secret of %s", what, places[i].where);
}

static void hide(struct medvl_text *file, uint32_t tag, const char *vr,
                 const char *where)
{
    dicom_text(file, tag, vr, hidden(where));
}

/* ---- a file full of secrets --------------------------------------------- */

static void hide_in_meta(struct medvl_text *meta)
{
    hide(meta, 0x00020016, "AE", "SourceApplicationEntityTitle");
    dicom_text(meta, 0x00020012, "UI", hidden_uid("ImplementationClassUID"));
    hide(meta, 0x00020013, "SH", "ImplementationVersionName");
    hide(meta, 0x00020100, "UI", "PrivateInformationCreatorUID");
    hide(meta, 0x00020102, "OB", "PrivateInformation");
}

/* A standard sequence, and a private one in it. */
static void hide_in_sequence(struct medvl_text *file, uint32_t tag,
                             const char *where)
{
    const size_t at = file->size;
    size_t inner;

    hide(file, 0x00080104, "LO", where);
    inner = file->size;
    hide(file, 0x00100010, "PN", "a name in a private sequence in it");
    dicom_wrap(file, inner, 0x00091005);
    hide(file, 0x00091010, "LO", "private text in a sequence");
    hide(file, 0x0040a160, "UT", "text of a sequence");
    dicom_wrap(file, at, tag);
}

static void hide_in_group_8(struct medvl_text *file)
{
    char type[60];

    snprintf(type, sizeof(type), "ORIGINAL\\PRIMARY\\%s",
             hidden("ImageType"));
    hide(file, 0x00080005, "CS", "SpecificCharacterSet");
    dicom_text(file, 0x00080008, "CS", type);
    hide(file, 0x00080012, "DA", "InstanceCreationDate");
    dicom_text(file, 0x00080014, "UI", hidden_uid("InstanceCreatorUID"));
    dicom_text(file, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
    dicom_text(file, 0x00080018, "UI", hidden_uid("SOPInstanceUID"));
    hide(file, 0x00080020, "DA", "StudyDate");
    hide(file, 0x00080022, "DA", "AcquisitionDate");
    hide(file, 0x00080030, "TM", "StudyTime");
    hide(file, 0x00080050, "SH", "AccessionNumber");
    dicom_text(file, 0x00080060, "CS", "CT");
    hide(file, 0x00080064, "CS", "ConversionType");
    hide(file, 0x00080070, "LO", "Manufacturer");
    hide(file, 0x00080080, "LO", "InstitutionName");
    hide(file, 0x00080090, "PN", "ReferringPhysicianName");
    hide_in_sequence(file, 0x00081110, "ReferencedStudySequence");
    hide(file, 0x00081030, "LO", "StudyDescription");
    hide_in_sequence(file, 0x00082218, "AnatomicRegionSequence");
    hide(file, 0x00090010, "LO", "a private creator");
    hide(file, 0x00091001, "LO", "a private element");
    hide(file, 0x00091002, "UN", "a private element of no VR");
    hide_in_sequence(file, 0x00091003, "a private sequence");
}

static void hide_in_patient(struct medvl_text *file)
{
    char name[80];
    size_t at;

    snprintf(name, sizeof(name), "%s^X=\xe5\xb1\xb1\xe7\x94\xb0%s=%s",
             hidden("PatientName"), hidden("its ideographic group"),
             hidden("its phonetic group"));
    dicom_text(file, 0x00100010, "PN", name);
    hide(file, 0x00100020, "LO", "PatientID");
    hide(file, 0x00100030, "UN", "PatientBirthDate of no VR");
    hide(file, 0x00100040, "CS", "PatientSex");
    hide_in_sequence(file, 0x00101002, "OtherPatientIDsSequence");
    hide(file, 0x00101010, "AS", "PatientAge");
    hide(file, 0x00104000, "LT", "PatientComments");
    hide(file, 0x00120063, "LO", "DeidentificationMethod");
    hide_in_sequence(file, 0x00120064, "DeidentificationMethodCodeSequence");
    hide(file, 0x00180010, "LO", "ContrastBolusAgent");
    hide(file, 0x00180015, "CS", "BodyPartExamined");
    hide(file, 0x00180050, "LO", "SliceThickness as LO");
    hide(file, 0x00180060, "UN", "KVP of no VR");
    hide(file, 0x00180080, "DS", "RepetitionTime");
    dicom_text(file, 0x00180081, "DS", "12.5");
    hide(file, 0x00181000, "LO", "DeviceSerialNumber");
    hide(file, 0x00181030, "LO", "ProtocolName");
    hide(file, 0x00181310, "US", "AcquisitionMatrix");
    hide(file, 0x00185100, "CS", "PatientPosition");
    at = file->size;
    hide(file, 0x00186016, "UL", "RegionFlags");
    hide(file, 0x0018602c, "FD", "PhysicalDeltaX");
    dicom_wrap(file, at, 0x00186011);
}

static void hide_in_image(struct medvl_text *file)
{
    dicom_text(file, 0x0020000d, "UI", hidden_uid("StudyInstanceUID"));
    dicom_text(file, 0x0020000e, "UI", hidden_uid("SeriesInstanceUID"));
    hide(file, 0x00200010, "SH", "StudyID");
    hide(file, 0x00200011, "IS", "SeriesNumber");
    dicom_text(file, 0x00200013, "IS", "3");
    hide(file, 0x00200020, "CS", "PatientOrientation");
    dicom_text(file, 0x00200032, "DS", "1\\-2.5\\3e1");
    hide(file, 0x00200037, "FD", "ImageOrientationPatient as FD");
    dicom_text(file, 0x00200052, "UI", hidden_uid("FrameOfReferenceUID"));
    hide(file, 0x00201040, "LO", "PositionReferenceIndicator");
    hide(file, 0x00204000, "LT", "ImageComments");
}

static void hide_in_values(struct medvl_text *file)
{
    char window[40];
    size_t at;

    hide(file, 0x00280009, "AT", "FrameIncrementPointer");
    dicom_text(file, 0x00280030, "DS", "0.5\\0.25");
    hide(file, 0x00280120, "OB", "PixelPaddingValue as OB");
    snprintf(window, sizeof(window), "40\\%s", hidden("WindowCenter"));
    dicom_text(file, 0x00281050, "DS", window);
    dicom_text(file, 0x00281051, "DS", "400");
    hide(file, 0x00281054, "LO", "RescaleType");
    hide(file, 0x00281055, "LO", "WindowCenterWidthExplanation");
    hide(file, 0x00282000, "OB", "ICCProfile");
    hide(file, 0x00282114, "CS", "LossyImageCompressionMethod");
    at = file->size;
    dicom_bytes(file, 0x00283002, "US", "\2\0\0\0\x10\0", 6);
    hide(file, 0x00283003, "LO", "LUTExplanation");
    hide(file, 0x00283006, "OW", "LUTData behind its length");
    dicom_wrap(file, at, 0x00283010);
}

static void hide_in_rest(struct medvl_text *file)
{
    size_t at, inner;

    hide(file, 0x00321060, "LO", "RequestedProcedureDescription");
    hide_in_sequence(file, 0x00400275, "RequestAttributesSequence");
    hide_in_sequence(file, 0x0040a730, "ContentSequence");
    hide(file, 0x50000010, "US", "a curve's dimensions");
    hide(file, 0x50003000, "OW", "CurveData");
    /* A sequence that is kept, with what is not. */
    at = inner = file->size;
    hide(file, 0x00209056, "SH", "StackID");
    dicom_word(file, 0x00209156, "US", 7);
    hide(file, 0x00209157, "UL", "DimensionIndexValues");
    hide(file, 0x00209158, "LT", "FrameComments");
    hide(file, 0x00211001, "LO", "a private element in a kept sequence");
    dicom_wrap(file, inner, 0x00209111);
    inner = file->size;
    dicom_text(file, 0x00281050, "DS", "50");
    hide(file, 0x00281055, "LO", "an explanation in a kept sequence");
    dicom_wrap(file, inner, 0x00289132);
    hide_in_sequence(file, 0x00409096, "RealWorldValueMappingSequence");
    dicom_wrap(file, at, 0x52009229);
    dicom_word(file, 0x60000010, "US", 8);
    dicom_word(file, 0x60000011, "US", 8);
    hide(file, 0x60000022, "LO", "OverlayDescription");
    hide(file, 0x60001500, "LO", "OverlayLabel");
    hide(file, 0x60003000, "OW", "the bits of OverlayData");
    hide(file, 0x60004000, "LT", "OverlayComments");
}

static void put_all(struct medvl_text *file, const char *syntax,
                    int allocated, int stored)
{
    struct medvl_text meta = {0};

    place_count = 0;
    hide_in_meta(&meta);
    dicom_begin(file, hidden("the preamble"), syntax, &meta);
    hide_in_group_8(file);
    hide_in_patient(file);
    hide_in_image(file);
    dicom_shape(file, 8, 8, NULL, allocated, stored);
    hide_in_values(file);
    hide_in_rest(file);
    medvl_text_release(&meta);
}

static void put_end(struct medvl_text *file)
{
    hide(file, 0xfffcfffc, "OB", "DataSetTrailingPadding");
}

/* Of 16 bits 12 are stored; the rest spell 'A' or 'B', four bits each. */
static void make_native(struct medvl_text *file)
{
    uint16_t pixels[64];

    put_all(file, SYNTAX_EXPLICIT, 16, 12);
    for (unsigned i = 0; i < 64; i++)
        pixels[i] = (uint16_t)(i * 64 | (i % 2 ? 4u : 1u + i % 4 / 2) << 12);
    dicom_bytes(file, 0x7fe00010, "OW", pixels, sizeof(pixels));
    put_end(file);
}

/* ---- compressed --------------------------------------------------------- */

static const unsigned char JPEG[] = {
    255, 216, 255, 219, 0, 67, 0, 3, 2, 2, 3, 2, 2, 3, 3, 3, 3, 4, 3, 3, 4,
    5, 8, 5, 5, 4, 4, 5, 10, 7, 7, 6, 8, 12, 10, 12, 12, 11, 10, 11, 11, 13,
    14, 18, 16, 13, 14, 17, 14, 11, 11, 16, 22, 16, 17, 19, 20, 21, 21, 21,
    12, 15, 23, 24, 22, 20, 24, 18, 20, 21, 20, 255, 192, 0, 11, 8, 0, 8, 0,
    8, 1, 1, 17, 0, 255, 196, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 7, 255, 196, 0, 20, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 255, 218, 0, 8, 1, 1, 0, 0, 63, 0, 52, 127, 255, 217};

static const unsigned char J2K[] = {
    255, 79, 255, 81, 0, 41, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7, 1, 1, 255,
    82, 0, 12, 0, 0, 0, 1, 0, 0, 4, 4, 0, 1, 255, 92, 0, 4, 64, 64, 255, 144,
    0, 10, 0, 0, 0, 0, 0, 29, 0, 1, 255, 147, 195, 231, 24, 17, 80, 84, 175,
    130, 61, 72, 0, 1, 132, 132, 191, 255, 217};

static void put_item(struct medvl_text *file, uint32_t tag, const void *data,
                     size_t size)
{
    const size_t even = size + size % 2;
    const unsigned char head[8] = {0xfe, 0xff, (unsigned char)tag,
                                   (unsigned char)(tag >> 8),
                                   (unsigned char)even,
                                   (unsigned char)(even >> 8)};

    assert_int_equal(medvl_text_append(file, head, 8, NULL), MEDVL_OK);
    assert_int_equal(medvl_text_append(file, data, size, NULL), MEDVL_OK);
    if (size % 2)
        assert_int_equal(medvl_text_putc(file, 0, NULL), MEDVL_OK);
}

/* A comment behind the first `at` bytes, one behind the last. */
static void make_encapsulated(struct medvl_text *file, const char *syntax,
                              const unsigned char *data, size_t size,
                              size_t at, int comment)
{
    const unsigned char mark[] = {255, (unsigned char)comment, 0, 12, 0, 1};
    struct medvl_text frame = {0};

    put_all(file, syntax, 8, 8);
    assert_int_equal(medvl_text_append(&frame, data, at, NULL), MEDVL_OK);
    assert_int_equal(medvl_text_append(&frame, mark, 6, NULL), MEDVL_OK);
    assert_int_equal(medvl_text_puts(&frame, hidden("a comment's segment"),
                                     NULL),
                     MEDVL_OK);
    assert_int_equal(medvl_text_append(&frame, data + at, size - at, NULL),
                     MEDVL_OK);
    assert_int_equal(medvl_text_puts(&frame, hidden("the end of a frame"),
                                     NULL),
                     MEDVL_OK);
    assert_int_equal(medvl_text_append(file,
                                       "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff",
                                       12, NULL),
                     MEDVL_OK);
    put_item(file, 0xe000, "\0\0\0\0", 4);
    put_item(file, 0xe000, frame.data, frame.size);
    put_item(file, 0xe0dd, "", 0);
    put_end(file);
    medvl_text_release(&frame);
}

static void make_jpeg(struct medvl_text *file)
{
    make_encapsulated(file, "1.2.840.10008.1.2.4.50", JPEG, sizeof(JPEG), 2,
                      0xfe);
}

static void make_j2k(struct medvl_text *file)
{
    make_encapsulated(file, "1.2.840.10008.1.2.4.90", J2K, sizeof(J2K), 65,
                      0x64);
}

/* A frame of one segment: 64 bytes as they are, in two runs. */
static void make_rle(struct medvl_text *file)
{
    unsigned char frame[64 + 65] = {1, 0, 0, 0, 64};

    frame[64] = 63;
    for (unsigned i = 0; i < 64; i++)
        frame[65 + i] = (unsigned char)i;
    put_all(file, "1.2.840.10008.1.2.5", 8, 8);
    memcpy(frame + 30, hidden("the head of RLE"), 8);
    assert_int_equal(medvl_text_append(file,
                                       "\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff",
                                       12, NULL),
                     MEDVL_OK);
    put_item(file, 0xe000, hidden("the table of offsets"), 8);
    put_item(file, 0xe000, frame, sizeof(frame));
    put_item(file, 0xe0dd, "", 0);
    put_end(file);
}

/* ---- runs --------------------------------------------------------------- */

static int start(void **state)
{
    (void)state;
    key = check_temp("deidentify_key");
    in = check_temp("deidentify_in");
    out = check_temp("deidentify_out");
    records = check_temp("deidentify.jsonl");
    rejects = check_temp("deidentify_rejects.jsonl");
    if (medvl_file_write(key, "sixteen bytes and more", 22, &err) < 0 ||
        medvl_secret_read(&secret, key, &err) < 0)
        return -1;
    return medvl_decoder_open(&decoder, NULL, 60, &err);
}

static int stop(void **state)
{
    char *const paths[] = {key, in, out, records, rejects};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        (void)!medvl_path_remove(paths[i], NULL);
        medvl_free(paths[i]);
    }
    medvl_secret_free(secret);
    medvl_decoder_free(decoder);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    return medvl_path_remove(in, &err) < 0 ||
           medvl_path_remove(out, &err) < 0 || mkdir(in, 0777);
}

static void save(const struct medvl_text *file, const char *name)
{
    char *path = NULL;

    CHECK_OK(medvl_path_join(&path, in, name, &err), &err);
    CHECK_OK(medvl_file_write(path, file->data, file->size, &err), &err);
    medvl_free(path);
}

static void report(void *arg, const char *text)
{
    CHECK_OK(medvl_text_puts(arg, text, &err), &err);
}

/* medvl-import --deidentify over the folder; what it said is added. */
static int import(struct medvl_text *said, bool keep_going)
{
    const char *const paths[] = {in};
    const struct medvl_import_options options = {
        .layout = "dicom",
        .paths = paths,
        .path_count = 1,
        .out = out,
        .key = key,
        .ask = "modality,plane,view,laterality,body_part",
        .deidentify = true,
        .output = records,
        .keep_going = keep_going,
        .rejects = keep_going ? rejects : NULL,
        .report = report,
        .arg = said,
    };
    const int rc = medvl_import(&options, &err);

    if (rc < 0)
        CHECK_OK(medvl_text_puts(said, err.text, &err), &err);
    return rc;
}

/* The bytes of all files in the folder, one behind the other. */
static int collect(struct medvl_text *all, const char *folder)
{
    struct medvl_names names = {0};
    int count = 0;

    if (medvl_folder_list(&names, folder, &err) < 0)
        return 0;
    for (size_t i = 0; i < names.count; i++, count++) {
        char *path = NULL;

        CHECK_OK(medvl_text_puts(all, names.items[i], &err), &err);
        CHECK_OK(medvl_path_join(&path, folder, names.items[i], &err), &err);
        CHECK_OK(medvl_file_read(all, path, 1 << 24, &err), &err);
        medvl_free(path);
    }
    medvl_names_release(&names);
    return count;
}

static const struct {
    const char *name;
    void (*make)(struct medvl_text *file);
} KINDS[] = {{"native", make_native},
             {"jpeg", make_jpeg},
             {"j2k", make_j2k},
             {"rle", make_rle}};

static void no_secret_gets_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(*KINDS); i++) {
        struct medvl_text file = {0}, found = {0}, again = {0}, said = {0};
        size_t written;

        assert_int_equal(clear(NULL), 0);
        KINDS[i].make(&file);
        assert_true(place_count > 70);
        save(&file, "x.dcm");
        assert_int_equal(import(&said, false), MEDVL_OK);
        assert_int_equal(collect(&found, out), 1);
        assert_true(found.size > 132);
        check_absent(&found, KINDS[i].name);
        written = found.size;
        check_absent(&said, "a report");
        CHECK_OK(medvl_file_read(&found, records, 1 << 20, &err), &err);
        assert_true(found.size > written + 100);
        check_absent(&found, "a record");
        /* The same again is the same. */
        assert_int_equal(import(&said, false), MEDVL_OK);
        assert_int_equal(collect(&again, out), 1);
        assert_memory_equal(again.data, found.data, written);
        medvl_text_release(&file);
        medvl_text_release(&found);
        medvl_text_release(&again);
        medvl_text_release(&said);
    }
}

/* Cut anywhere, a byte changed anywhere: said, and set aside, without. */
static void no_secret_gets_out_of_damaged_files(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(*KINDS); i++) {
        struct medvl_text file = {0}, said = {0}, found = {0};
        int bad = 0;

        assert_int_equal(clear(NULL), 0);
        KINDS[i].make(&file);
        for (int k = 0; k < 40; k++) {
            struct medvl_text part = file;
            char name[20];

            seed = seed * 6364136223846793005u + 1442695040888963407u;
            if (k % 2)
                part.size = 140 + (seed >> 33) % (file.size - 140);
            else
                file.data[140 + (seed >> 33) % (file.size - 140)] ^=
                    (char)(1 << (seed >> 20) % 5); /* no letter twice */
            snprintf(name, sizeof(name), "%d.dcm", k);
            save(&part, name);
        }
        bad = import(&said, true);
        assert_true(bad >= 0);
        collect(&found, out);
        CHECK_OK(medvl_file_read(&found, records, 1 << 20, &err), &err);
        CHECK_OK(medvl_file_read(&found, rejects, 1 << 20, &err), &err);
        check_absent(&found, KINDS[i].name);
        check_absent(&said, "a report");
        medvl_text_clear(&said);
        assert_true(import(&said, false) < 0);
        check_absent(&said, "an error");
        medvl_text_release(&file);
        medvl_text_release(&said);
        medvl_text_release(&found);
    }
}

/* ---- what is kept ------------------------------------------------------- */

/* The file de-identified, opened. */
static void reopen(struct medvl_dicom *dicom, struct medvl_text *bytes,
                   const struct medvl_text *file, char hash[33])
{
    struct medvl_dicom first;
    const struct medvl_deidentify job = {&first, decoder, secret, "one"};

    CHECK_OK(medvl_dicom_bytes(&first, decoder, medvl_text_span(file), &err),
             &err);
    CHECK_OK(medvl_deidentify_write(hash, records, &job, &err), &err);
    medvl_dicom_release(&first);
    medvl_text_clear(bytes);
    CHECK_OK(medvl_file_read(bytes, records, 1 << 26, &err), &err);
    CHECK_OK(medvl_dicom_bytes(dicom, decoder, medvl_text_span(bytes), &err),
             &err);
}

static const char *text(const struct medvl_dicom *dicom, const char *name)
{
    const char *value = medvl_json_string(medvl_dicom_tag(dicom, 0, name));

    return value ? value : "";
}

static double number(const struct medvl_dicom *dicom, const char *name,
                     size_t index)
{
    const struct medvl_json *tag = medvl_dicom_tag(dicom, 0, name);

    return medvl_json_number(medvl_json_type(tag) == MEDVL_JSON_ARRAY
                                 ? medvl_json_at(tag, index)
                                 : tag,
                             NAN);
}

static void what_a_picture_is_stays(void **state)
{
    struct medvl_text file = {0}, bytes = {0};
    struct medvl_dicom d;
    char hash[33], again[33], patient[33];
    uint16_t pixels[64];

    (void)state;
    make_native(&file);
    reopen(&d, &bytes, &file, hash);
    medvl_hash128_hex(again, bytes.data, bytes.size);
    assert_string_equal(hash, again);
    assert_string_equal(text(&d, "TransferSyntaxUID"), SYNTAX_EXPLICIT);
    assert_string_equal(text(&d, "SOPClassUID"), "1.2.840.10008.5.1.4.1.1.2");
    assert_string_equal(text(&d, "Modality"), "CT");
    assert_string_equal(text(&d, "PatientIdentityRemoved"), "YES");
    assert_string_equal(
        medvl_json_string(medvl_json_first(
            medvl_json_get(d.tags, "ImageType"))),
        "ORIGINAL");
    CHECK_CLOSE(number(&d, "EchoTime", 0), 12.5, 0);
    CHECK_CLOSE(number(&d, "InstanceNumber", 0), 3, 0);
    CHECK_CLOSE(number(&d, "ImagePositionPatient", 1), -2.5, 0);
    CHECK_CLOSE(number(&d, "ImagePositionPatient", 2), 30, 0);
    CHECK_CLOSE(number(&d, "PixelSpacing", 1), 0.25, 0);
    CHECK_CLOSE(number(&d, "WindowCenter", 0), 50, 0); /* of the group */
    CHECK_CLOSE(number(&d, "WindowWidth", 0), 400, 0);
    CHECK_CLOSE(number(&d, "BitsStored", 0), 12, 0);
    medvl_secret_name(patient, secret, "patient",
                      medvl_span(secret_of("PatientID")));
    assert_string_equal(text(&d, "PatientID"), patient);
    CHECK_OK(medvl_decoder_frame(pixels, decoder, 0, &err), &err);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(pixels[i], i * 64);
    medvl_dicom_release(&d);
    medvl_text_release(&file);
    medvl_text_release(&bytes);
}

static void uids_stay_apart_and_together(void **state)
{
    static const char *const UIDS[] = {
        "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
        "FrameOfReferenceUID"};
    struct medvl_text file = {0}, bytes = {0};
    struct medvl_dicom d;
    char first[4][80], hash[33];

    (void)state;
    make_native(&file);
    reopen(&d, &bytes, &file, hash);
    for (int i = 0; i < 4; i++) {
        snprintf(first[i], sizeof(first[i]), "%s", text(&d, UIDS[i]));
        assert_memory_equal(first[i], "2.25.", 5);
        assert_true(strspn(first[i] + 5, "0123456789") ==
                        strlen(first[i] + 5) &&
                    strlen(first[i]) > 30 && strlen(first[i]) <= 44);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(first[k], first[i]);
    }
    medvl_dicom_release(&d);
    medvl_text_clear(&file);
    make_jpeg(&file); /* other pixels, the same UIDs */
    reopen(&d, &bytes, &file, hash);
    for (int i = 0; i < 4; i++)
        assert_string_equal(text(&d, UIDS[i]), first[i]);
    assert_string_equal(text(&d, "LossyImageCompression"), "01");
    medvl_dicom_release(&d);
    medvl_text_release(&file);
    medvl_text_release(&bytes);
}

static void other_classes_are_refused(void **state)
{
    static const char *const CLASSES[] = {
        "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.2.4711",
        "1.2.276.4711", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(CLASSES) / sizeof(*CLASSES); i++) {
        struct medvl_text file = {0}, header = {0};
        struct medvl_dicom dicom;
        const struct medvl_deidentify job = {&dicom, decoder, secret, NULL};

        dicom_begin(&file, "", SYNTAX_EXPLICIT, NULL);
        dicom_text(&file, 0x00080016, "UI", CLASSES[i]);
        dicom_shape(&file, 1, 2, NULL, 8, 8);
        dicom_bytes(&file, 0x7fe00010, "OB", "ab", 2);
        CHECK_OK(medvl_dicom_bytes(&dicom, decoder, medvl_text_span(&file),
                                   &err),
                 &err);
        CHECK_FAILS(medvl_deidentify_header(&header, &job, &err),
                    MEDVL_EUNSUPPORTED, &err, "class");
        assert_null(strstr(err.text, "4711"));
        medvl_dicom_release(&dicom);
        medvl_text_release(&file);
        medvl_text_release(&header);
    }
}

static void a_folder_is_not_read_while_it_is_written(void **state)
{
    struct medvl_text said = {0};
    const char *const paths[] = {in};
    char inside[600];
    struct medvl_import_options options = {.layout = "dicom",
                                           .paths = paths,
                                           .path_count = 1,
                                           .key = key,
                                           .out = inside,
                                           .deidentify = true,
                                           .output = records};

    (void)state;
    snprintf(inside, sizeof(inside), "%s/below", in);
    CHECK_FAILS(medvl_import(&options, &err), MEDVL_EARG, &err, "read too");
    options.out = NULL;
    CHECK_FAILS(medvl_import(&options, &err), MEDVL_EARG, &err, "--out");
    options.layout = "images";
    CHECK_FAILS(medvl_import(&options, &err), MEDVL_EARG, &err, "go with");
    medvl_text_release(&said);
}

/* ---- the standard's list ------------------------------------------------ */

/* Lines of the lists that keep the tag; each must do what is wanted. */
static int check_lists(const struct medvl_keep *list, size_t count,
                       unsigned tag, const char *action)
{
    int met = 0;

    for (const struct medvl_keep *k = list; k < list + count; k++) {
        if (k->items)
            met += check_lists(k->items, k->count, tag, action);
        if (k->tag != tag)
            continue;
        met++;
        if (strchr(action, 'U'))
            assert_true(k->what == MEDVL_KEEP_UID ||
                        k->what == MEDVL_KEEP_MADE);
        else if (strchr(action, 'Z') || strchr(action, 'D'))
            assert_true(k->what == MEDVL_KEEP_EMPTY ||
                        k->what == MEDVL_KEEP_EMPTIED ||
                        k->what == MEDVL_KEEP_MADE);
        else
            fail_msg("%08x is kept, the profile says %s", tag, action);
    }
    return met;
}

/* tests/golden/confidentiality.txt: lines of a tag and its action. */
static void nothing_is_kept_that_the_profile_removes(void **state)
{
    FILE *list = fopen("tests/golden/confidentiality.txt", "r");
    char action[16];
    unsigned tag;
    int count = 0, met = 0;

    (void)state;
    assert_non_null(list);
    for (; fscanf(list, "%8x %15s", &tag, action) == 2; count++)
        met += check_lists(medvl_keep_all, medvl_keep_count, tag, action);
    fclose(list);
    assert_int_equal(count, 652);
    assert_int_equal(met, 21);
}

/* ---- real files --------------------------------------------------------- */

static double stored(const void *data, enum medvl_voxel type, size_t at,
                     const struct medvl_dicom_bits *b)
{
    const double value = medvl_voxel_value(data, type, at);
    uint64_t bits;

    if (!b->bits)
        return value;
    bits = (uint64_t)(int64_t)value >> b->shift &
           (((uint64_t)1 << b->bits) - 1);
    return b->sign && bits >> (b->bits - 1)
               ? (double)bits - ldexp(1, b->bits)
               : (double)bits;
}

/* All frames of the open file, one behind the other. */
static char *frames(const struct medvl_dicom *d)
{
    char *all = medvl_alloc((size_t)d->file.frames, d->file.bytes);

    assert_non_null(all);
    for (int64_t i = 0; i < d->file.frames; i++)
        CHECK_OK(medvl_decoder_frame(all + (size_t)i * d->file.bytes, decoder,
                                     i, &err),
                 &err);
    return all;
}

/* Returns whether the bytes are equal too. */
static bool check_same_values(const char *path)
{
    struct medvl_text file = {0}, bytes = {0};
    struct medvl_dicom a, b;
    struct medvl_dicom_bits p, q;
    char hash[33], *before, *after;
    size_t count;
    bool same;

    CHECK_OK(medvl_file_read(&file, path, 1 << 26, &err), &err);
    CHECK_OK(medvl_dicom_bytes(&a, decoder, medvl_text_span(&file), &err),
             &err);
    before = frames(&a);
    reopen(&b, &bytes, &file, hash);
    after = frames(&b);
    assert_int_equal(a.file.bytes, b.file.bytes);
    assert_int_equal(a.file.frames, b.file.frames);
    assert_int_equal(a.file.type, b.file.type);
    p = medvl_dicom_bits(&a);
    q = medvl_dicom_bits(&b);
    count = a.file.bytes * (size_t)a.file.frames /
            medvl_voxel_bytes(a.file.type);
    for (size_t i = 0; i < count; i++)
        if (stored(before, a.file.type, i, &p) !=
            stored(after, a.file.type, i, &q))
            fail_msg("%s: another value at %zu", path, i);
    same = memcmp(before, after,
                  a.file.bytes * (size_t)a.file.frames) == 0;
    medvl_free(before);
    medvl_free(after);
    medvl_dicom_release(&a);
    medvl_dicom_release(&b);
    medvl_text_release(&file);
    medvl_text_release(&bytes);
    return same;
}

/* One file has bits beside its values that are not the sign's: mlut_18. */
static void stored_values_stay_equal(void **state)
{
    char *folder = check_data("dicom"), *list = NULL;
    struct medvl_json *all = NULL;
    int count = 0, same = 0;

    (void)state;
    CHECK_OK(medvl_path_join(&list, folder, "expected.json", &err), &err);
    CHECK_OK(medvl_json_read(&all, list, &err), &err);
    for (const struct medvl_json *one = medvl_json_first(all); one;
         one = medvl_json_next(one), count++) {
        char *path = NULL;

        CHECK_OK(medvl_path_join(
                     &path, folder,
                     medvl_json_string(medvl_json_get(one, "file")), &err),
                 &err);
        same += check_same_values(path);
        medvl_free(path);
    }
    assert_int_equal(count, 49);
    assert_int_equal(same, 48);
    medvl_json_free(all);
    medvl_free(list);
    medvl_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_secret_gets_out, clear),
        cmocka_unit_test_setup(no_secret_gets_out_of_damaged_files, clear),
        cmocka_unit_test(what_a_picture_is_stays),
        cmocka_unit_test(uids_stay_apart_and_together),
        cmocka_unit_test(other_classes_are_refused),
        cmocka_unit_test_setup(a_folder_is_not_read_while_it_is_written,
                               clear),
        cmocka_unit_test(nothing_is_kept_that_the_profile_removes),
        cmocka_unit_test(stored_values_stay_equal),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
