/*
 * The tags of a data set that may be known, as JSON: only those on the lists
 * below, and of those only what has the form of a code or a number.
 *
 * Read next: dicom_words.c.
 */
#include "lib/image/dicom_part.h"

#include <math.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/image/dataset.h"

#define VALUES 65536 /* of a tag */

/* How a tag's value becomes JSON. */
enum form {
    NUMBER,
    CODE, /* words of the standard, see dicom_words.c */
    AGE,
    NAME, /* a UID or PatientID: becomes a pseudonym elsewhere */
    WORDS,
};

struct known {
    uint32_t tag;
    enum form form;
    const char *vr; /* where the file does not say one */
    const char *name;
};

static const struct known KNOWN[] = {
    {0x00020010, NAME, "UI", "TransferSyntaxUID"},
    {0x00080016, NAME, "UI", "SOPClassUID"},
    {0x00080018, NAME, "UI", "SOPInstanceUID"},
    {0x0020000d, NAME, "UI", "StudyInstanceUID"},
    {0x0020000e, NAME, "UI", "SeriesInstanceUID"},
    {0x00200052, NAME, "UI", "FrameOfReferenceUID"},
    {0x00100020, NAME, "LO", "PatientID"},
    {0x00080060, CODE, "CS", "Modality"},
    {0x00080008, CODE, "CS", "ImageType"},
    {0x00080064, CODE, "CS", "ConversionType"},
    {0x00100040, CODE, "CS", "PatientSex"},
    {0x00101010, AGE, "AS", "PatientAge"},
    {0x00180015, CODE, "CS", "BodyPartExamined"},
    {0x00200060, CODE, "CS", "Laterality"},
    {0x00200062, CODE, "CS", "ImageLaterality"},
    {0x00185101, CODE, "CS", "ViewPosition"},
    {0x00200020, CODE, "CS", "PatientOrientation"},
    {0x00185100, CODE, "CS", "PatientPosition"},
    {0x00200011, NUMBER, "IS", "SeriesNumber"},
    {0x00200012, NUMBER, "IS", "AcquisitionNumber"},
    {0x00200013, NUMBER, "IS", "InstanceNumber"},
    {0x00280301, CODE, "CS", "BurnedInAnnotation"},
    {0x00280302, CODE, "CS", "RecognizableVisualFeatures"},
    {0x00120062, CODE, "CS", "PatientIdentityRemoved"},
    {0x00282110, CODE, "CS", "LossyImageCompression"},
    {0x00280002, NUMBER, "US", "SamplesPerPixel"},
    {0x00280004, CODE, "CS", "PhotometricInterpretation"},
    {0x00280006, NUMBER, "US", "PlanarConfiguration"},
    {0x00280010, NUMBER, "US", "Rows"},
    {0x00280011, NUMBER, "US", "Columns"},
    {0x00280008, NUMBER, "IS", "NumberOfFrames"},
    {0x00280100, NUMBER, "US", "BitsAllocated"},
    {0x00280101, NUMBER, "US", "BitsStored"},
    {0x00280102, NUMBER, "US", "HighBit"},
    {0x00280103, NUMBER, "US", "PixelRepresentation"},
    {0x00280030, NUMBER, "DS", "PixelSpacing"},
    {0x00181164, NUMBER, "DS", "ImagerPixelSpacing"},
    {0x00182010, NUMBER, "DS", "NominalScannedPixelSpacing"},
    {0x00280034, NUMBER, "IS", "PixelAspectRatio"},
    {0x00180050, NUMBER, "DS", "SliceThickness"},
    {0x00180088, NUMBER, "DS", "SpacingBetweenSlices"},
    {0x00201041, NUMBER, "DS", "SliceLocation"},
    {0x00200032, NUMBER, "DS", "ImagePositionPatient"},
    {0x00200037, NUMBER, "DS", "ImageOrientationPatient"},
    {0x00280120, NUMBER, "US", "PixelPaddingValue"},
    {0x00280121, NUMBER, "US", "PixelPaddingRangeLimit"},
    {0x00281050, NUMBER, "DS", "WindowCenter"},
    {0x00281051, NUMBER, "DS", "WindowWidth"},
    {0x00281056, CODE, "CS", "VOILUTFunction"},
    {0x00281053, NUMBER, "DS", "RescaleSlope"},
    {0x00281052, NUMBER, "DS", "RescaleIntercept"},
    {0x20500020, CODE, "CS", "PresentationLUTShape"},
    {0x00541001, CODE, "CS", "Units"},
    {0x00180020, CODE, "CS", "ScanningSequence"},
    {0x00180021, CODE, "CS", "SequenceVariant"},
    {0x00180023, CODE, "CS", "MRAcquisitionType"},
    {0x00180080, NUMBER, "DS", "RepetitionTime"},
    {0x00180081, NUMBER, "DS", "EchoTime"},
    {0x00180082, NUMBER, "DS", "InversionTime"},
    {0x00180087, NUMBER, "DS", "MagneticFieldStrength"},
    {0x00180060, NUMBER, "DS", "KVP"},
    {0x00181063, NUMBER, "DS", "FrameTime"},
};

static const struct known PALETTE[] = {
    {0x00281101, NUMBER, "US", "RedPaletteColorLookupTableDescriptor"},
    {0x00281201, WORDS, "OW", "RedPaletteColorLookupTableData"},
    {0x00281221, WORDS, "OW",
     "SegmentedRedPaletteColorLookupTableData"},
    {0x00281102, NUMBER, "US", "GreenPaletteColorLookupTableDescriptor"},
    {0x00281202, WORDS, "OW", "GreenPaletteColorLookupTableData"},
    {0x00281222, WORDS, "OW",
     "SegmentedGreenPaletteColorLookupTableData"},
    {0x00281103, NUMBER, "US", "BluePaletteColorLookupTableDescriptor"},
    {0x00281203, WORDS, "OW", "BluePaletteColorLookupTableData"},
    {0x00281223, WORDS, "OW",
     "SegmentedBluePaletteColorLookupTableData"},
};

static const struct known LUT[] = {
    {0x00283002, NUMBER, "US", "LUTDescriptor"},
    {0x00283006, WORDS, "OW", "LUTData"},
};

static const struct {
    uint32_t tag;
    const char *name;
} TABLES[] = {
    {0x00283000, "ModalityLUTSequence"},
    {0x00283010, "VOILUTSequence"},
};

#define SHARED    0x52009229u
#define PER_FRAME 0x52009230u

/* Of shared and per-frame groups of enhanced images. */
static const struct known GROUP[] = {
    {0x00200032, NUMBER, "DS", "ImagePositionPatient"},
    {0x00200037, NUMBER, "DS", "ImageOrientationPatient"},
    {0x00280030, NUMBER, "DS", "PixelSpacing"},
    {0x00180050, NUMBER, "DS", "SliceThickness"},
    {0x00180088, NUMBER, "DS", "SpacingBetweenSlices"},
    {0x00281050, NUMBER, "DS", "WindowCenter"},
    {0x00281051, NUMBER, "DS", "WindowWidth"},
    {0x00281056, CODE, "CS", "VOILUTFunction"},
    {0x00281053, NUMBER, "DS", "RescaleSlope"},
    {0x00281052, NUMBER, "DS", "RescaleIntercept"},
    {0x00209072, CODE, "CS", "FrameLaterality"},
};

#define LIST(list) list, sizeof(list) / sizeof((list)[0])

/* ---- values ------------------------------------------------------------- */

/* Printable ASCII stays; other bytes become %XX, so that names that differ
 * get pseudonyms that differ. */
static void put_name(struct medvl_json_writer *w, const char *name,
                     struct medvl_span text)
{
    static const char HEX[] = "0123456789ABCDEF";
    char out[1024];
    size_t size = 0;

    for (size_t i = 0; i < text.size && size + 3 < sizeof(out); i++) {
        const unsigned char c = (unsigned char)text.data[i];

        if (c >= ' ' && c <= '~') {
            out[size++] = (char)c;
        } else {
            out[size++] = '%';
            out[size++] = HEX[c >> 4];
            out[size++] = HEX[c & 15];
        }
    }
    medvl_json_put_string(w, name, (struct medvl_span){out, size});
}

bool medvl_dicom_is_age(struct medvl_span text)
{
    return text.size == 4 && memchr("DWMY", text.data[3], 4) &&
           strspn(text.data, "0123456789") >= 3;
}

static void put_word(struct medvl_json_writer *w, const char *name,
                     struct medvl_span word, enum form form)
{
    if (form == NUMBER)
        medvl_json_put_number(w, name, medvl_word_number(word));
    else if (form == NAME)
        put_name(w, name, word);
    else if (form == AGE ? medvl_dicom_is_age(word)
                         : medvl_dicom_is_code(word))
        medvl_json_put_string(w, name, word);
    else
        medvl_json_put_null(w, name);
}

static void put_text(struct medvl_json_writer *w, const struct known *known,
                     struct medvl_span text)
{
    const bool many = memchr(text.data, '\\', text.size) != NULL;
    const char *name = many ? NULL : known->name;
    struct medvl_span left = text;

    if (many)
        medvl_json_begin(w, known->name, '[');
    for (int i = 0; i < VALUES && left.data; i++)
        put_word(w, name, medvl_dataset_word(&left), known->form);
    if (many)
        medvl_json_end(w);
}

static void put_binary(struct medvl_json_writer *w, const struct known *known,
                       const struct medvl_element *e)
{
    const size_t count = e->value.size / medvl_vr_bytes(e->vr);
    const bool many = known->form == WORDS || count != 1;

    if (many)
        medvl_json_begin(w, known->name, '[');
    for (size_t i = 0; i < count && i < VALUES; i++)
        medvl_json_put_number(w, many ? NULL : known->name,
                              medvl_element_number(e, i));
    if (many)
        medvl_json_end(w);
}

static void put_tags(struct medvl_json_writer *w, struct medvl_span set,
                     const struct known *list, size_t count)
{
    struct medvl_element e;

    for (size_t i = 0; i < count; i++) {
        if (!medvl_dataset_find(&e, set, list[i].tag) || !e.value.size)
            continue;
        if (strcmp(e.vr, "UN") == 0)
            memcpy(e.vr, list[i].vr, 2);
        if (list[i].form == WORDS && strcmp(e.vr, "OB") == 0)
            memcpy(e.vr, "OW", 2);
        if (medvl_vr_is_text(e.vr))
            put_text(w, &list[i], e.value);
        else if (list[i].form == NUMBER || list[i].form == WORDS)
            put_binary(w, &list[i], &e);
    }
}

/* ---- sequences ---------------------------------------------------------- */

static void put_tables(struct medvl_json_writer *w, struct medvl_span set,
                       uint32_t tag, const char *name)
{
    struct medvl_element e;
    struct medvl_span item;

    if (!medvl_dataset_find(&e, set, tag) || strcmp(e.vr, "SQ") != 0 ||
        !e.value.size)
        return;
    medvl_json_begin(w, name, '[');
    for (int i = 0;
         i < VALUES && medvl_dataset_item(&item, &e.value, NULL) > 0; i++) {
        medvl_json_begin(w, NULL, '{');
        put_tags(w, item, LIST(LUT));
        medvl_json_end(w);
    }
    medvl_json_end(w);
}

/* Each known tag of the first group, in one item of them, that has it. */
static void put_groups(struct medvl_json_writer *w, const char *name,
                       struct medvl_span item)
{
    medvl_json_begin(w, name, '{');
    for (size_t i = 0; i < sizeof(GROUP) / sizeof(*GROUP); i++) {
        struct medvl_span left = item, group;
        struct medvl_element e, found;

        while (medvl_dataset_next(&e, &left, NULL) > 0) {
            if (strcmp(e.vr, "SQ") != 0 ||
                medvl_dataset_item(&group, &e.value, NULL) <= 0 ||
                !medvl_dataset_find(&found, group, GROUP[i].tag))
                continue;
            put_tags(w, group, &GROUP[i], 1);
            break;
        }
    }
    medvl_json_end(w);
}

static void put_functional_groups(struct medvl_json_writer *w,
                                  struct medvl_span set)
{
    struct medvl_element e;
    struct medvl_span item;

    if (medvl_dataset_find(&e, set, SHARED) && strcmp(e.vr, "SQ") == 0 &&
        medvl_dataset_item(&item, &e.value, NULL) > 0)
        put_groups(w, "shared", item);
    if (!medvl_dataset_find(&e, set, PER_FRAME) || strcmp(e.vr, "SQ") != 0)
        return;
    medvl_json_begin(w, "frames", '[');
    while (medvl_dataset_item(&item, &e.value, NULL) > 0)
        put_groups(w, NULL, item);
    medvl_json_end(w);
}

int medvl_dicom_write_tags(struct medvl_text *out, struct medvl_span set,
                           struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};
    struct medvl_element samples;

    medvl_json_begin(&w, NULL, '{');
    put_tags(&w, set, LIST(KNOWN));
    if (!medvl_dataset_find(&samples, set, 0x00280002) ||
        medvl_element_number(&samples, 0) == 1)
        put_tags(&w, set, LIST(PALETTE));
    for (size_t i = 0; i < sizeof(TABLES) / sizeof(*TABLES); i++)
        put_tables(&w, set, TABLES[i].tag, TABLES[i].name);
    put_functional_groups(&w, set);
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}
