/*
 * DICOM through DCMTK: the data set without its pixels in one form, and the
 * frames.  The only C++ of the tree; no exception leaves it.
 *
 * Read next: medvl-decode.c.
 */
#include <climits>
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
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/oflog/oflog.h>

extern "C" {
#include "cmd/decode.h"
#include "cmd/decode_codec.h"
}

namespace
{

/* Bytes of one frame's stored values. */
const size_t frame_most = size_t{128} << 20;
/* Bytes that a frame takes in all, here and in the command that asked. */
const size_t work_most = size_t{448} << 20;
const size_t header_most = size_t{64} << 20;

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
    DJDecoderRegistration::registerCodecs(EDC_never, EUC_default,
                                          EPC_colorByPixel);
    started = true;
}

/* What a function of C said. */
void check(int rc, const struct medvl_error &err)
{
    if (rc < 0)
        throw failure{err.code, err.text};
}

/* ---- the data set without its pixels ----------------------------------- */

/* Groups that say what a picture is; the rest stays here. */
bool is_sent(const DcmTag &tag)
{
    switch (tag.getGroup()) {
    case 0x0002:
    case 0x0008:
    case 0x0010:
    case 0x0012:
    case 0x0018:
    case 0x0020:
    case 0x0028:
    case 0x0054:
    case 0x2050:
    case 0x3002:
    case 0x3004:
    case 0x5200:
        return true;
    default:
        return tag.getGroup() >= 0x6000 && tag.getGroup() <= 0x601e;
    }
}

/* As Explicit VR Little Endian; what cannot be written so is left out. */
void put_element(struct medvl_text *out, DcmElement *element)
{
    char room[65536];
    const size_t start = out->size;
    DcmOutputBufferStream stream(room, sizeof(room));
    struct medvl_error err = {};
    OFCondition written;
    offile_off_t size;
    void *data;

    if (!is_sent(element->getTag()))
        return;
    element->transferInit();
    do {
        written = element->write(stream, EXS_LittleEndianExplicit,
                                 EET_ExplicitLength, nullptr);
        stream.flushBuffer(data, size);
        if (out->size + (size_t)size > header_most)
            fail(MEDVL_EARG, "the header takes more than %zu bytes",
                 header_most);
        check(medvl_text_append(out, data, (size_t)size, &err), err);
    } while (written == EC_StreamNotifyClient);
    element->transferEnd();
    if (written == EC_MemoryExhausted)
        throw std::bad_alloc();
    if (written.bad())
        out->size = start;
}

/* ---- compressed frames that DCMTK does not decode ----------------------- */

bool starts_frame(DcmPixelItem *item)
{
    Uint8 head[4];

    if (item->getLength() < sizeof(head))
        return false;
    check(item->getPartialValue(head, 0, sizeof(head)), "fragment");
    return (head[0] == 0xff && (head[1] == 0xd8 || head[1] == 0x4f)) ||
           !memcmp(head, "\0\0\0\x0c", 4);
}

/* The fragments of frame `index`, put together; of RLE each is a frame. */
std::vector<Uint8> join_fragments(DcmPixelSequence *sequence, int64_t frames,
                                  int64_t index, bool rle)
{
    std::vector<Uint8> out;
    int64_t frame = -1;

    for (unsigned long i = 1; i < sequence->card(); i++) {
        DcmPixelItem *item = nullptr;
        Uint8 *data = nullptr;

        check(sequence->getItem(item, i), "fragment");
        if (item->getLength() == 0)
            continue;
        if (frame < 0 || (frames > 1 && (rle || starts_frame(item))))
            frame++;
        if (frame > index)
            break;
        if (frame < index)
            continue;
        check(item->getUint8Array(data), "fragment");
        out.insert(out.end(), data, data + item->getLength());
        item->compact();
    }
    if (out.empty())
        fail(MEDVL_EFORMAT, "frame %lld of %lld: no pixels",
             (long long)index + 1, (long long)frames);
    return out;
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
    struct decode_shape frames = {};
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

bool is_j2k(E_TransferSyntax syntax)
{
    return syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000 ||
           syntax == EXS_JPEG2000MulticomponentLosslessOnly ||
           syntax == EXS_JPEG2000Multicomponent;
}

/* A frame stands here and in the command, which makes a picture of it;
 * OpenJPEG holds each sample as 32 bits. */
void check_work(const dicom *d, size_t bytes)
{
    const size_t samples = d->frames.bytes / bytes;
    const size_t more = is_j2k(d->syntax) ? 4 : 0;

    if (samples * (2 * bytes + 1 + more) > work_most)
        fail(MEDVL_EARG,
             "a frame of %lld x %lld x %lld samples is over the decoder's "
             "limit of %zu bytes to work with",
             (long long)d->frames.columns, (long long)d->frames.rows,
             (long long)d->frames.samples, work_most);
}

void read_shape(dicom *d)
{
    struct decode_shape &f = d->frames;
    const int64_t bits = whole(d->data, DCM_BitsAllocated, 0);
    size_t bytes;

    f.count = whole(d->data, DCM_NumberOfFrames, 1);
    f.rows = whole(d->data, DCM_Rows, 0);
    f.columns = whole(d->data, DCM_Columns, 0);
    f.samples = whole(d->data, DCM_SamplesPerPixel, 1);
    if (d->pixels)
        f.type = integer_type(
            bits, whole(d->data, DCM_PixelRepresentation, 0) == 1);
    if (f.count < 1 || f.count > INT_MAX || f.rows < 1 || f.rows > 65535 ||
        f.columns < 1 || f.columns > 65535 ||
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
    check_work(d, bytes);
    d->planes = f.samples > 1 &&
                whole(d->data, DCM_PlanarConfiguration, 0) == 1;
}

bool is_jpegls(E_TransferSyntax syntax)
{
    return syntax == EXS_JPEGLSLossless || syntax == EXS_JPEGLSLossy;
}

void own_codec(void *out, dicom *d, int64_t index)
{
    DcmPixelSequence *sequence = nullptr;
    struct medvl_error err = {};

    check(d->pixels->getEncapsulatedRepresentation(d->syntax, nullptr,
                                                   sequence),
          "pixels");
    if (!sequence)
        fail(MEDVL_EFORMAT, "no pixels");
    const auto data = join_fragments(sequence, d->frames.count, index,
                                     d->syntax == EXS_RLELossless);

    check((is_j2k(d->syntax)      ? decode_j2k
           : is_jpegls(d->syntax) ? decode_jpegls
                                  : decode_rle)(out, data.data(), data.size(),
                                                &d->frames, &err),
          err);
}

/* `size` bytes of a value from `at` on, which alone come into memory. */
void read_part(void *out, dicom *d, DcmElement *element, size_t at,
               size_t size, E_ByteOrder order)
{
    if (at + size > element->getLength())
        fail(MEDVL_EFORMAT, "the pixels are cut short");
    check(element->getPartialValue(out, (Uint32)at, (Uint32)size, &d->cache,
                                   order),
          "pixels");
}

/* Pixels of one bit, eight in a byte, the lowest first. */
void read_bits(void *out, dicom *d, int64_t index)
{
    const int64_t pixels = d->frames.rows * d->frames.columns;
    const int64_t from = index * pixels / 16 * 16; /* of words */
    const int64_t bits = (index + 1) * pixels - from;
    auto *to = static_cast<Uint8 *>(out);
    std::vector<Uint8> data((size_t)(bits + 7) / 8);

    if (DcmXfer(d->syntax).isEncapsulated())
        fail(MEDVL_EUNSUPPORTED, "compressed pixels of one bit");
    if (data.size() % 2 && d->pixels->getLength() > from / 8 + data.size())
        data.push_back(0);
    read_part(data.data(), d, d->pixels, (size_t)from / 8, data.size(),
              EBO_LittleEndian);
    for (int64_t i = 0; i < pixels; i++) {
        const int64_t bit = index * pixels - from + i;

        to[i] = data[(size_t)bit / 8] >> bit % 8 & 1;
    }
}

bool is_422(dicom *d)
{
    const size_t pixels = (size_t)(d->frames.rows * d->frames.columns);
    OFString space;

    return d->frames.samples == 3 && d->frames.bytes == pixels * 3 &&
           d->data->findAndGetOFString(DCM_PhotometricInterpretation, space)
               .good() &&
           space == "YBR_FULL_422" &&
           !DcmXfer(d->syntax).isEncapsulated() &&
           d->pixels->getLength() < d->frames.bytes * d->frames.count;
}

/* Two pixels with one colour as Y Y Cb Cr: to Y Cb Cr of each. */
void read_422(void *out, dicom *d, int64_t index)
{
    const size_t size = d->frames.bytes / 3 * 2;
    auto *to = static_cast<Uint8 *>(out);

    if (d->frames.columns % 2)
        fail(MEDVL_EFORMAT, "YBR_FULL_422 of %lld columns: not even",
             (long long)d->frames.columns);
    read_part(out, d, d->pixels, (size_t)index * size, size,
              EBO_LittleEndian);
    for (size_t i = size / 4; i-- > 0;) {
        const Uint8 *from = to + i * 4;
        const Uint8 two[6] = {from[0], from[2], from[3],
                              from[1], from[2], from[3]};

        memcpy(to + i * 6, two, sizeof(two));
    }
}

void dcmtk_codec(void *out, dicom *d, int64_t index)
{
    const bool encapsulated = DcmXfer(d->syntax).isEncapsulated();
    std::vector<Uint8> room;
    Uint32 size = 0;
    struct medvl_error err = {};
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
    if (d->planes && !encapsulated)
        check(decode_planes(out, &d->frames, &err), err);
}

/* The bytes of a file, of which values that are long are read when they are
 * asked for: they are not copied. */
struct byte_stream : public DcmInputBufferStream {
    const void *data;
    size_t size;
    bool packed = false;

    byte_stream(const void *bytes, size_t count)
        : data(bytes), size(count)
    {
        setBuffer(bytes, (offile_off_t)count);
        setEos();
    }

    OFCondition installCompressionFilter(E_StreamCompression type) override
    {
        packed = true;
        return DcmInputBufferStream::installCompressionFilter(type);
    }

    DcmInputStreamFactory *newFactory() const override;
};

struct byte_factory : public DcmInputStreamFactory {
    const void *data;
    size_t size;
    offile_off_t at;

    byte_factory(const void *bytes, size_t count, offile_off_t from)
        : data(bytes), size(count), at(from)
    {
    }

    DcmInputStream *create() const override
    {
        auto *stream = new byte_stream(data, size);

        stream->skip(at);
        return stream;
    }

    DcmInputStreamFactory *clone() const override
    {
        return new byte_factory(data, size, at);
    }

    DcmInputStreamFactoryType ident() const override
    {
        return DFT_DcmInputFileStreamFactory;
    }
};

/* What is unpacked on the way has no place to come back to. */
DcmInputStreamFactory *byte_stream::newFactory() const
{
    return packed ? nullptr : new byte_factory(data, size, tell());
}

int load(dicom *d, const char *path, const void *contents, size_t size)
{
    OFCondition loaded;

    if (path) {
        loaded = d->file.loadFile(path, EXS_Unknown, EGL_noChange,
                                  DCM_MaxReadLength, ERM_autoDetect);
    } else {
        byte_stream stream(contents, size);

        d->file.transferInit();
        loaded = d->file.read(stream, EXS_Unknown, EGL_noChange,
                              DCM_MaxReadLength);
        d->file.transferEnd();
    }
    if (loaded == EC_MemoryExhausted)
        throw std::bad_alloc();
    check(loaded, "not readable as DICOM");
    return MEDVL_OK;
}

void fill(struct medvl_decode_answer *answer, const struct decode_shape &f)
{
    answer->frames = f.count;
    answer->type = f.type;
    answer->size[0] = f.samples;
    answer->size[1] = f.columns;
    answer->size[2] = f.rows;
    answer->slope = 1;
}

void put_header(struct medvl_text *out, dicom *d)
{
    DcmUniqueIdentifier syntax(DCM_TransferSyntaxUID);

    check(syntax.putString(DcmXfer(d->syntax).getXferID()), "syntax");
    put_element(out, &syntax);
    for (unsigned long i = 0; i < d->data->card(); i++)
        put_element(out, d->data->getElement(i));
}

int dicom_open(void **out, struct medvl_decode_answer *answer,
               struct medvl_text *tags, const char *path,
               const void *contents, size_t size, struct medvl_error *err)
{
    return guarded(err, [&] {
        auto d = std::make_unique<dicom>();

        start_dcmtk();
        try {
            load(d.get(), path, contents, size);
        } catch (const std::bad_alloc &) {
            fail(MEDVL_EARG, "to open it takes more memory than the decoder "
                             "may have");
        }
        d->data = d->file.getDataset();
        if (!d->data || d->data->card() == 0)
            fail(MEDVL_EFORMAT, "not readable as DICOM: nothing in it");
        d->syntax = d->data->getOriginalXfer();
        find_pixels(d.get());
        if (d->pixels || d->floats)
            read_shape(d.get());
        fill(answer, d->frames);
        put_header(tags, d.get());
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
            read_part(out, d, d->floats, (size_t)index * d->frames.bytes,
                      d->frames.bytes, gLocalByteOrder);
        else if (whole(d->data, DCM_BitsAllocated, 0) == 1)
            read_bits(out, d, index);
        else if (is_422(d))
            read_422(out, d, index);
        else if (is_j2k(d->syntax) || is_jpegls(d->syntax) ||
                 d->syntax == EXS_RLELossless)
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
                                           dicom_close, nullptr};
