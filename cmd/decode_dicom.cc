/*
 * DICOM through DCMTK, with OpenJPEG for JPEG 2000 and CharLS for JPEG-LS.
 *
 * Read next: medvl-decode.c.
 */
#include <climits>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcfcache.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/oflog/oflog.h>

#include <charls/charls.h>
#include <openjpeg.h>

extern "C" {
#include "cmd/decode.h"
#include "lib/base/json.h"
}

namespace
{

/* Bytes of one frame's stored values; JPEG 2000 needs twice as much more. */
const size_t frame_most = size_t{128} << 20;
const size_t value_most = 65536; /* values of a tag */

/* One frame's stored values. */
struct shape {
    int64_t count, rows, columns, samples;
    enum medvl_voxel type;
    size_t bytes;
};

struct failure {
    enum medvl_status code;
    std::string text;
};

[[noreturn]] void fail(enum medvl_status code, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    throw failure{code, text};
}

void check(const OFCondition &condition, const char *what)
{
    if (condition.bad())
        fail(condition == EC_MemoryExhausted ? MEDVL_ENOMEM : MEDVL_EFORMAT,
             "%s: %s", what, condition.text());
}

/* Run `body`; whatever it throws becomes an error. */
template <typename Body>
int guarded(struct medvl_error *err, Body body)
{
    try {
        body();
        return MEDVL_OK;
    } catch (const failure &f) {
        return medvl_fail(err, f.code, "%s", f.text.c_str());
    } catch (const std::bad_alloc &) {
        return medvl_fail(err, MEDVL_ENOMEM, "out of memory");
    } catch (const std::exception &e) {
        return medvl_fail(err, MEDVL_EFORMAT, "%s", e.what());
    } catch (...) {
        return medvl_fail(err, MEDVL_EFORMAT, "an unknown exception");
    }
}

void start_dcmtk()
{
    static bool started;

    if (started)
        return;
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs(EDC_never, EUC_default,
                                          EPC_colorByPixel);
    started = true;
}

/* ---- tags ------------------------------------------------------------- */

/*
 * What leaves the helper: nothing that names a person, a place or a time,
 * no free text.  The UIDs and PatientID are for grouping and never leave
 * the library as they are.
 */
const DcmTagKey keys[] = {
    DCM_SOPClassUID,
    DCM_SOPInstanceUID,
    DCM_StudyInstanceUID,
    DCM_SeriesInstanceUID,
    DCM_FrameOfReferenceUID,
    DCM_PatientID,
    DCM_Modality,
    DCM_ImageType,
    DCM_ConversionType,
    DCM_PatientSex,
    DCM_PatientAge,
    DCM_BodyPartExamined,
    DCM_Laterality,
    DCM_ImageLaterality,
    DCM_ViewPosition,
    DCM_PatientOrientation,
    DCM_PatientPosition,
    DCM_SeriesNumber,
    DCM_AcquisitionNumber,
    DCM_InstanceNumber,
    DCM_BurnedInAnnotation,
    DCM_RecognizableVisualFeatures,
    DCM_PatientIdentityRemoved,
    DCM_LossyImageCompression,
    DCM_SamplesPerPixel,
    DCM_PhotometricInterpretation,
    DCM_PlanarConfiguration,
    DCM_Rows,
    DCM_Columns,
    DCM_NumberOfFrames,
    DCM_BitsAllocated,
    DCM_BitsStored,
    DCM_HighBit,
    DCM_PixelRepresentation,
    DCM_PixelSpacing,
    DCM_ImagerPixelSpacing,
    DCM_NominalScannedPixelSpacing,
    DCM_PixelAspectRatio,
    DCM_SliceThickness,
    DCM_SpacingBetweenSlices,
    DCM_SliceLocation,
    DCM_ImagePositionPatient,
    DCM_ImageOrientationPatient,
    DCM_PixelPaddingValue,
    DCM_PixelPaddingRangeLimit,
    DCM_WindowCenter,
    DCM_WindowWidth,
    DCM_VOILUTFunction,
    DCM_RescaleSlope,
    DCM_RescaleIntercept,
    DCM_PresentationLUTShape,
    DCM_Units,
    DCM_ScanningSequence,
    DCM_SequenceVariant,
    DCM_MRAcquisitionType,
    DCM_RepetitionTime,
    DCM_EchoTime,
    DCM_InversionTime,
    DCM_MagneticFieldStrength,
    DCM_KVP,
    DCM_FrameTime,
};

const DcmTagKey palette_keys[] = {
    DCM_RedPaletteColorLookupTableDescriptor,
    DCM_RedPaletteColorLookupTableData,
    DCM_GreenPaletteColorLookupTableDescriptor,
    DCM_GreenPaletteColorLookupTableData,
    DCM_BluePaletteColorLookupTableDescriptor,
    DCM_BluePaletteColorLookupTableData,
};

const DcmTagKey lut_keys[] = {DCM_LUTDescriptor, DCM_LUTData};

#define KEYS(list) list, sizeof(list) / sizeof(list[0])

const DcmTagKey table_keys[] = {DCM_ModalityLUTSequence,
                                DCM_VOILUTSequence};

/* Of shared and per-frame groups of enhanced images. */
const DcmTagKey group_keys[] = {
    DCM_ImagePositionPatient,
    DCM_ImageOrientationPatient,
    DCM_PixelSpacing,
    DCM_SliceThickness,
    DCM_SpacingBetweenSlices,
    DCM_WindowCenter,
    DCM_WindowWidth,
    DCM_VOILUTFunction,
    DCM_RescaleSlope,
    DCM_RescaleIntercept,
    DCM_FrameLaterality,
};

bool is_number(DcmEVR vr)
{
    switch (vr) {
    case EVR_DS:
    case EVR_IS:
    case EVR_US:
    case EVR_SS:
    case EVR_xs:
    case EVR_UL:
    case EVR_SL:
    case EVR_FL:
    case EVR_FD:
        return true;
    default:
        return false;
    }
}

double number_of(DcmElement *element, unsigned long i, DcmEVR vr)
{
    OFString text;
    Uint16 us;
    Sint16 ss;
    Float64 value;
    char *end;

    if (vr == EVR_US || vr == EVR_xs)
        return element->getUint16(us, i).good() ? us : NAN;
    if (vr == EVR_SS)
        return element->getSint16(ss, i).good() ? ss : NAN;
    if (vr == EVR_FD)
        return element->getFloat64(value, i).good() ? value : NAN;
    if (element->getOFString(text, i).bad() || text.empty())
        return NAN;
    value = strtod(text.c_str(), &end);
    while (*end == ' ')
        end++;
    return *end || !std::isfinite(value) ? NAN : value;
}

/* 16-bit words of LUT data, whatever they are stored as. */
void put_words(struct medvl_json_writer *w, const char *name,
               DcmElement *element)
{
    Uint16 *words = nullptr;

    medvl_json_begin(w, name, '[');
    if (element->getUint16Array(words).good() && words)
        for (unsigned long i = 0;
             i < element->getLength() / 2 && i < value_most; i++)
            medvl_json_put_int(w, nullptr, words[i]);
    medvl_json_end(w);
}

/* Printable ASCII stays; other bytes become '?'. */
void put_text(struct medvl_json_writer *w, const char *name,
              const OFString &text)
{
    std::string clean(text.c_str());

    for (auto &c : clean)
        if (c < ' ' || c > '~')
            c = '?';
    medvl_json_put_string(w, name, medvl_span(clean.c_str()));
}

/*
 * May the text leave?  A code is 16 capitals, digits, spaces and lines at
 * most, whatever a file puts in its place; UIDs and PatientID go as they are
 * to where they become pseudonyms.
 */
bool may_leave(const OFString &text, DcmEVR vr)
{
    return (vr != EVR_CS && vr != EVR_AS) ||
           (text.length() <= 16 &&
            strspn(text.c_str(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") ==
                text.length());
}

void put_values(struct medvl_json_writer *w, const char *name,
                DcmElement *element, DcmEVR vr, DcmEVR proper)
{
    const unsigned long count = element->getVM();
    OFString text;

    if (count > 1)
        medvl_json_begin(w, name, '[');
    for (unsigned long i = 0; i < count && i < value_most; i++)
        if (is_number(vr)) {
            medvl_json_put_number(w, count > 1 ? nullptr : name,
                                  number_of(element, i, vr));
        } else {
            (void)element->getOFString(text, i);
            if (may_leave(text, proper))
                put_text(w, count > 1 ? nullptr : name, text);
            else
                medvl_json_put_null(w, count > 1 ? nullptr : name);
        }
    if (count > 1)
        medvl_json_end(w);
}

void put_tags(struct medvl_json_writer *w, DcmItem *item,
              const DcmTagKey *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        DcmElement *element = nullptr;
        DcmTag tag(list[i]);

        if (item->findAndGetElement(list[i], element).bad() || !element ||
            element->getLength() == 0)
            continue;
        const DcmEVR vr = element->getVR() == EVR_UN ? tag.getEVR()
                                                     : element->getVR();
        if (vr == EVR_OW || vr == EVR_OB || vr == EVR_lt)
            put_words(w, tag.getTagName(), element);
        else
            put_values(w, tag.getTagName(), element, vr, tag.getEVR());
    }
}

void put_tables(struct medvl_json_writer *w, DcmItem *item,
                const DcmTagKey &key)
{
    DcmSequenceOfItems *items = nullptr;

    if (item->findAndGetSequence(key, items).bad() || !items ||
        items->card() == 0)
        return;
    medvl_json_begin(w, DcmTag(key).getTagName(), '[');
    for (unsigned long i = 0; i < items->card() && i < value_most; i++) {
        medvl_json_begin(w, nullptr, '{');
        put_tags(w, items->getItem(i), KEYS(lut_keys));
        medvl_json_end(w);
    }
    medvl_json_end(w);
}

/* Members of all groups of one item of functional groups. */
void put_groups(struct medvl_json_writer *w, const char *name, DcmItem *item)
{
    medvl_json_begin(w, name, '{');
    for (unsigned long i = 0; i < item->card(); i++) {
        auto *groups = dynamic_cast<DcmSequenceOfItems *>(item->getElement(i));

        if (groups && groups->card() > 0)
            put_tags(w, groups->getItem(0), KEYS(group_keys));
    }
    medvl_json_end(w);
}

void put_functional_groups(struct medvl_json_writer *w, DcmItem *item)
{
    DcmSequenceOfItems *items = nullptr;

    if (item->findAndGetSequence(DCM_SharedFunctionalGroupsSequence, items)
            .good() &&
        items && items->card() > 0)
        put_groups(w, "shared", items->getItem(0));
    items = nullptr;
    if (item->findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, items)
            .bad() ||
        !items)
        return;
    medvl_json_begin(w, "frames", '[');
    for (unsigned long i = 0; i < items->card(); i++)
        put_groups(w, nullptr, items->getItem(i));
    medvl_json_end(w);
}

/* ---- compressed frames that DCMTK does not decode --------------------- */

bool starts_frame(const Uint8 *data, size_t size)
{
    return size >= 4 &&
           ((data[0] == 0xff && (data[1] == 0xd8 || data[1] == 0x4f)) ||
            !memcmp(data, "\0\0\0\x0c", 4));
}

/* The fragments of frame `index`, put together. */
std::vector<Uint8> join_fragments(DcmPixelSequence *sequence, int64_t frames,
                                  int64_t index)
{
    std::vector<Uint8> out;
    int64_t frame = -1;

    for (unsigned long i = 1; i < sequence->card(); i++) {
        DcmPixelItem *item = nullptr;
        Uint8 *data = nullptr;

        check(sequence->getItem(item, i), "fragment");
        if (item->getLength() == 0)
            continue;
        check(item->getUint8Array(data), "fragment");
        if (frame < 0 || (frames > 1 && starts_frame(data, item->getLength())))
            frame++;
        if (frame == index)
            out.insert(out.end(), data, data + item->getLength());
        else if (frame > index)
            break;
        item->compact();
    }
    if (out.empty())
        fail(MEDVL_EFORMAT, "frame %lld of %lld: no pixels",
             (long long)index + 1, (long long)frames);
    return out;
}

struct memory {
    const Uint8 *data;
    size_t size, at;
};

OPJ_SIZE_T memory_read(void *out, OPJ_SIZE_T size, void *arg)
{
    auto *m = static_cast<memory *>(arg);
    const size_t left = m->size - m->at;

    if (left == 0)
        return (OPJ_SIZE_T)-1;
    if (size > left)
        size = left;
    memcpy(out, m->data + m->at, size);
    m->at += size;
    return size;
}

OPJ_OFF_T memory_skip(OPJ_OFF_T size, void *arg)
{
    auto *m = static_cast<memory *>(arg);
    const auto left = (OPJ_OFF_T)(m->size - m->at);

    if (size < 0)
        return -1;
    if (size > left)
        size = left;
    m->at += (size_t)size;
    return size;
}

OPJ_BOOL memory_seek(OPJ_OFF_T at, void *arg)
{
    auto *m = static_cast<memory *>(arg);

    if (at < 0 || (size_t)at > m->size)
        return OPJ_FALSE;
    m->at = (size_t)at;
    return OPJ_TRUE;
}

void quiet(const char *, void *)
{
}

template <typename T>
void interleave(void *out, const opj_image_t *image, int64_t pixels)
{
    auto *to = static_cast<T *>(out);

    for (OPJ_UINT32 c = 0; c < image->numcomps; c++)
        for (int64_t i = 0; i < pixels; i++)
            to[i * image->numcomps + c] = (T)image->comps[c].data[i];
}

struct j2k {
    opj_codec_t *codec = nullptr;
    opj_stream_t *stream = nullptr;
    opj_image_t *image = nullptr;
    ~j2k()
    {
        opj_destroy_codec(codec);
        opj_stream_destroy(stream);
        opj_image_destroy(image);
    }
};

void check_j2k(const opj_image_t *image, const struct shape &frames)
{
    if ((int64_t)image->numcomps != frames.samples)
        fail(MEDVL_EFORMAT, "JPEG 2000 of %u components, the header says %d",
             image->numcomps, (int)frames.samples);
    for (OPJ_UINT32 c = 0; c < image->numcomps; c++)
        if ((int64_t)image->comps[c].w != frames.columns ||
            (int64_t)image->comps[c].h != frames.rows)
            fail(MEDVL_EFORMAT,
                 "JPEG 2000 of %u x %u, the header says %lld x %lld",
                 image->comps[c].w, image->comps[c].h,
                 (long long)frames.columns, (long long)frames.rows);
}

void decode_j2k(void *out, const std::vector<Uint8> &data,
                const struct shape &frames)
{
    const bool jp2 = data.size() > 4 && data[0] == 0;
    memory source = {data.data(), data.size(), 0};
    opj_dparameters_t parameters;
    j2k j;

    j.codec = opj_create_decompress(jp2 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K);
    j.stream = opj_stream_create(1 << 16, OPJ_TRUE);
    if (!j.codec || !j.stream)
        throw std::bad_alloc();
    opj_set_error_handler(j.codec, quiet, nullptr);
    opj_set_warning_handler(j.codec, quiet, nullptr);
    opj_set_info_handler(j.codec, quiet, nullptr);
    opj_set_default_decoder_parameters(&parameters);
    opj_stream_set_user_data(j.stream, &source, nullptr);
    opj_stream_set_user_data_length(j.stream, data.size());
    opj_stream_set_read_function(j.stream, memory_read);
    opj_stream_set_skip_function(j.stream, memory_skip);
    opj_stream_set_seek_function(j.stream, memory_seek);
    if (!opj_setup_decoder(j.codec, &parameters) ||
        !opj_read_header(j.stream, j.codec, &j.image))
        fail(MEDVL_EFORMAT, "JPEG 2000: damaged header");
    check_j2k(j.image, frames);
    if (!opj_decode(j.codec, j.stream, j.image) ||
        !opj_end_decompress(j.codec, j.stream))
        fail(MEDVL_EFORMAT, "JPEG 2000: damaged or cut short");
    check_j2k(j.image, frames);
    for (OPJ_UINT32 c = 0; c < j.image->numcomps; c++)
        if (!j.image->comps[c].data)
            fail(MEDVL_EFORMAT, "JPEG 2000: component %u is missing", c + 1);
    if (medvl_voxel_bytes(frames.type) == 1)
        interleave<Uint8>(out, j.image, frames.rows * frames.columns);
    else if (medvl_voxel_bytes(frames.type) == 2)
        interleave<Uint16>(out, j.image, frames.rows * frames.columns);
    else
        interleave<Uint32>(out, j.image, frames.rows * frames.columns);
}

/* Planes, one after another, to pixels. */
void planes_to_pixels(void *out, size_t bytes, int64_t pixels,
                      int64_t samples)
{
    std::vector<Uint8> copy(static_cast<Uint8 *>(out),
                            static_cast<Uint8 *>(out) +
                                bytes * (size_t)(pixels * samples));
    auto *to = static_cast<Uint8 *>(out);

    for (int64_t i = 0; i < pixels; i++)
        for (int64_t s = 0; s < samples; s++)
            memcpy(to + (size_t)(i * samples + s) * bytes,
                   copy.data() + (size_t)(s * pixels + i) * bytes, bytes);
}

void decode_jpegls(void *out, const std::vector<Uint8> &data,
                   const struct shape &frames)
{
    charls::jpegls_decoder decoder(data, true);
    const auto &info = decoder.frame_info();
    const bool by_pixel =
        decoder.interleave_mode() != charls::interleave_mode::none;

    if (info.width != (uint64_t)frames.columns ||
        info.height != (uint64_t)frames.rows ||
        info.component_count != frames.samples ||
        decoder.destination_size() != frames.bytes)
        fail(MEDVL_EFORMAT,
             "JPEG-LS of %u x %u x %d in %zu bytes, the header says "
             "%lld x %lld x %d in %zu",
             info.width, info.height, info.component_count,
             decoder.destination_size(), (long long)frames.columns,
             (long long)frames.rows, (int)frames.samples, frames.bytes);
    decoder.decode(out, frames.bytes);
    if (frames.samples > 1 && !by_pixel)
        planes_to_pixels(out, medvl_voxel_bytes(frames.type),
                         frames.rows * frames.columns, frames.samples);
}

/* ---- a file ------------------------------------------------------------ */

struct dicom {
    DcmFileFormat file;
    DcmDataset *data = nullptr;
    DcmPixelData *pixels = nullptr;
    DcmElement *floats = nullptr;
    E_TransferSyntax syntax = EXS_Unknown;
    DcmFileCache cache;
    Uint32 fragment = 0;
    int64_t next = 0; /* the frame at `fragment` */
    bool planes = false;
    struct shape frames = {};
};

int64_t whole(DcmItem *item, const DcmTagKey &key, int64_t usual)
{
    OFString text;
    Uint16 us;
    char *end;
    long long value;

    if (item->findAndGetUint16(key, us).good())
        return us;
    if (item->findAndGetOFString(key, text).bad() || text.empty())
        return usual;
    value = strtoll(text.c_str(), &end, 10);
    while (*end == ' ')
        end++;
    if (*end)
        fail(MEDVL_EFORMAT, "%s is no whole number",
             DcmTag(key).getTagName());
    return value;
}

enum medvl_voxel integer_type(int64_t bits, bool is_signed)
{
    if (bits == 1 || bits == 8)
        return is_signed ? MEDVL_VOXEL_I8 : MEDVL_VOXEL_U8;
    if (bits == 16)
        return is_signed ? MEDVL_VOXEL_I16 : MEDVL_VOXEL_U16;
    if (bits == 32)
        return is_signed ? MEDVL_VOXEL_I32 : MEDVL_VOXEL_U32;
    fail(MEDVL_EUNSUPPORTED, "%lld bits allocated: not 1, 8, 16 or 32",
         (long long)bits);
}

void find_floats(dicom *d)
{
    DcmElement *element = nullptr;

    if (d->data->findAndGetElement(DCM_FloatPixelData, element).good())
        d->frames.type = MEDVL_VOXEL_F32;
    else if (d->data->findAndGetElement(DCM_DoubleFloatPixelData, element)
                 .good())
        d->frames.type = MEDVL_VOXEL_F64;
    d->floats = element;
}

void find_pixels(dicom *d)
{
    DcmElement *element = nullptr;

    if (d->data->findAndGetElement(DCM_PixelData, element).good())
        d->pixels = OFdynamic_cast(DcmPixelData *, element);
    else
        find_floats(d);
}

void read_shape(dicom *d)
{
    struct shape &f = d->frames;
    const int64_t bits = whole(d->data, DCM_BitsAllocated, 0);
    size_t bytes;

    f.count = whole(d->data, DCM_NumberOfFrames, 1);
    f.rows = whole(d->data, DCM_Rows, 0);
    f.columns = whole(d->data, DCM_Columns, 0);
    f.samples = whole(d->data, DCM_SamplesPerPixel, 1);
    if (d->pixels)
        f.type = integer_type(
            bits, whole(d->data, DCM_PixelRepresentation, 0) == 1);
    if (f.count < 1 || f.count > INT_MAX || f.rows < 1 || f.columns < 1 ||
        (f.samples != 1 && f.samples != 3 && f.samples != 4))
        fail(MEDVL_EFORMAT,
             "%lld frames of %lld rows, %lld columns and %lld samples",
             (long long)f.count, (long long)f.rows, (long long)f.columns,
             (long long)f.samples);
    bytes = medvl_voxel_bytes(f.type);
    f.bytes = (size_t)(f.rows * f.columns * f.samples) * bytes;
    if (f.bytes > frame_most)
        fail(MEDVL_EARG,
             "a frame of %lld x %lld x %lld samples takes more than %zu "
             "bytes",
             (long long)f.columns, (long long)f.rows, (long long)f.samples,
             frame_most);
    d->planes = f.samples > 1 &&
                whole(d->data, DCM_PlanarConfiguration, 0) == 1;
}

bool is_j2k(E_TransferSyntax syntax)
{
    return syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000 ||
           syntax == EXS_JPEG2000MulticomponentLosslessOnly ||
           syntax == EXS_JPEG2000Multicomponent;
}

bool is_jpegls(E_TransferSyntax syntax)
{
    return syntax == EXS_JPEGLSLossless || syntax == EXS_JPEGLSLossy;
}

void own_codec(void *out, dicom *d, int64_t index)
{
    DcmPixelSequence *sequence = nullptr;

    check(d->pixels->getEncapsulatedRepresentation(d->syntax, nullptr,
                                                   sequence),
          "pixels");
    if (!sequence)
        fail(MEDVL_EFORMAT, "no pixels");
    const auto data = join_fragments(sequence, d->frames.count, index);

    if (is_j2k(d->syntax))
        decode_j2k(out, data, d->frames);
    else
        decode_jpegls(out, data, d->frames);
}

/* Pixels of one bit, eight in a byte, the lowest first. */
void read_bits(void *out, dicom *d, int64_t index)
{
    const int64_t pixels = d->frames.rows * d->frames.columns;
    auto *to = static_cast<Uint8 *>(out);
    Uint8 *data = nullptr;

    if (DcmXfer(d->syntax).isEncapsulated())
        fail(MEDVL_EUNSUPPORTED, "compressed pixels of one bit");
    check(d->pixels->getUint8Array(data), "pixels");
    if (!data || (int64_t)d->pixels->getLength() <
                     (d->frames.count * pixels + 7) / 8)
        fail(MEDVL_EFORMAT, "the pixels are cut short");
    for (int64_t i = 0; i < pixels; i++) {
        const int64_t bit = index * pixels + i;

        to[i] = data[bit / 8] >> bit % 8 & 1;
    }
}

void read_floats(void *out, dicom *d, int64_t index)
{
    const size_t at = (size_t)index * d->frames.bytes;
    void *data = nullptr;
    Float32 *f32 = nullptr;
    Float64 *f64 = nullptr;

    if (d->frames.type == MEDVL_VOXEL_F32) {
        check(d->floats->getFloat32Array(f32), "pixels");
        data = f32;
    } else {
        check(d->floats->getFloat64Array(f64), "pixels");
        data = f64;
    }
    if (!data || d->floats->getLength() < at + d->frames.bytes)
        fail(MEDVL_EFORMAT, "the pixels are cut short");
    memcpy(out, static_cast<Uint8 *>(data) + at, d->frames.bytes);
}

void dcmtk_codec(void *out, dicom *d, int64_t index)
{
    const bool encapsulated = DcmXfer(d->syntax).isEncapsulated();
    std::vector<Uint8> room;
    Uint32 size = 0;
    OFString model;
    void *to = out;

    check(d->pixels->getUncompressedFrameSize(d->data, size), "pixels");
    if (size < d->frames.bytes)
        fail(MEDVL_EFORMAT, "a frame of %u bytes, expected %zu", size,
             d->frames.bytes);
    size += size % 2; /* as DCMTK asks for */
    if (size > frame_most + 1)
        fail(MEDVL_EFORMAT, "a frame of %u bytes", size);
    if (size > d->frames.bytes) {
        room.resize(size);
        to = room.data();
    }
    if (index != d->next)
        d->fragment = 0;
    check(d->pixels->getUncompressedFrame(d->data, (Uint32)index,
                                          d->fragment, to, size, model,
                                          &d->cache),
          "pixels");
    d->next = index + 1;
    if (to != out)
        memcpy(out, to, d->frames.bytes);
    if (d->planes && (!encapsulated || d->syntax == EXS_RLELossless))
        planes_to_pixels(out, medvl_voxel_bytes(d->frames.type),
                         d->frames.rows * d->frames.columns,
                         d->frames.samples);
}

int load(dicom *d, const char *path, const void *contents, size_t size)
{
    DcmInputBufferStream stream;
    OFCondition loaded;

    if (path) {
        loaded = d->file.loadFile(path, EXS_Unknown, EGL_noChange,
                                  DCM_MaxReadLength, ERM_autoDetect);
    } else {
        stream.setBuffer(contents, (offile_off_t)size);
        stream.setEos();
        d->file.transferInit();
        loaded = d->file.read(stream, EXS_Unknown, EGL_noChange,
                              DCM_MaxReadLength);
        d->file.transferEnd();
    }
    check(loaded, "not readable as DICOM");
    return MEDVL_OK;
}

void fill(struct medvl_decode_answer *answer, const struct shape &f)
{
    answer->frames = f.count;
    answer->type = f.type;
    answer->size[0] = f.samples;
    answer->size[1] = f.columns;
    answer->size[2] = f.rows;
    answer->slope = 1;
}

void write_tags(struct medvl_text *tags, dicom *d)
{
    struct medvl_json_writer w = {};
    const DcmXfer xfer(d->syntax);
    struct medvl_error err = {};

    w.out = tags;
    medvl_json_begin(&w, nullptr, '{');
    put_text(&w, "TransferSyntaxUID", xfer.getXferID());
    put_tags(&w, d->data, KEYS(keys));
    if (whole(d->data, DCM_SamplesPerPixel, 1) == 1)
        put_tags(&w, d->data, KEYS(palette_keys));
    for (const auto &key : table_keys)
        put_tables(&w, d->data, key);
    put_functional_groups(&w, d->data);
    medvl_json_end(&w);
    if (medvl_json_write_end(&w, &err) < 0)
        fail(err.code, "%s", err.text);
}

int dicom_open(void **out, struct medvl_decode_answer *answer,
               struct medvl_text *tags, const char *path,
               const void *contents, size_t size, struct medvl_error *err)
{
    return guarded(err, [&] {
        auto d = std::make_unique<dicom>();

        start_dcmtk();
        load(d.get(), path, contents, size);
        d->data = d->file.getDataset();
        if (!d->data || d->data->card() == 0)
            fail(MEDVL_EFORMAT, "not readable as DICOM: nothing in it");
        d->syntax = d->data->getOriginalXfer();
        find_pixels(d.get());
        if (d->pixels || d->floats)
            read_shape(d.get());
        fill(answer, d->frames);
        write_tags(tags, d.get());
        *out = d.release();
    });
}

int dicom_frame(void *file, void *out, size_t bytes, int64_t index,
                struct medvl_error *err)
{
    auto *d = static_cast<dicom *>(file);

    (void)bytes;
    return guarded(err, [&] {
        if (d->floats)
            read_floats(out, d, index);
        else if (whole(d->data, DCM_BitsAllocated, 0) == 1)
            read_bits(out, d, index);
        else if (is_j2k(d->syntax) || is_jpegls(d->syntax))
            own_codec(out, d, index);
        else
            dcmtk_codec(out, d, index);
    });
}

void dicom_close(void *file)
{
    delete static_cast<dicom *>(file);
}

} /* namespace */

const struct decode_reader decode_dicom = {dicom_open, dicom_frame,
                                           dicom_close};
