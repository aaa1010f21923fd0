/*
 * A data set as the helper gives it, of strangers: its tags are JSON, what
 * is left of it without what identifies is a data set and says the same a
 * second time, and its overlays lie in the picture or are refused.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/image/dataset.h"
#include "lib/image/deidentify.h"
#include "lib/image/dicom_part.h"

#define HEAD 132 /* bytes before the elements of a file */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Any key will do; one for all inputs. */
static const struct medvl_secret *secret(void)
{
    static struct medvl_secret *out;
    char path[] = "/tmp/medvl-fuzz-XXXXXX";
    int fd;

    if (out)
        return out;
    fd = mkstemp(path);
    must(fd >= 0 && medvl_file_write(path, "sixteen bytes...", 16, NULL) ==
                        MEDVL_OK);
    must(medvl_secret_read(&out, path, NULL) == MEDVL_OK);
    must(medvl_path_remove(path, NULL) == MEDVL_OK && close(fd) == 0);
    return out;
}

/* Elements rise, and none is private or of a group that is not kept. */
static void check_file(const struct medvl_text *file)
{
    struct medvl_span left = {file->data + HEAD, file->size - HEAD};
    struct medvl_element e;
    uint32_t last = 0;
    int rc = 1;

    must(memcmp(file->data + HEAD - 4, "DICM", 4) == 0);
    while (left.size > 12 &&
           (rc = medvl_dataset_next(&e, &left, NULL)) > 0) {
        must(e.tag > last && (e.tag >> 16) % 2 == 0);
        must(e.tag >> 16 < 0x5000 || e.tag >> 16 == 0x5200);
        last = e.tag;
    }
    must(rc >= 0 && left.size == 12); /* the head of the pixels */
}

static void check_deidentify(const struct medvl_dicom *dicom)
{
    const struct medvl_deidentify job = {dicom, NULL, secret(), "none"};
    struct medvl_text a = {0}, b = {0};
    struct medvl_error err = {0};
    const int rc = medvl_deidentify_header(&a, &job, &err);

    must(rc == medvl_deidentify_header(&b, &job, NULL));
    must(rc == MEDVL_OK || (err.code == rc && err.text[0]));
    if (rc == MEDVL_OK) {
        must(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
        check_file(&a);
    }
    medvl_text_release(&a);
    medvl_text_release(&b);
}

/* Fractions have no bits beside them, so no frame is asked for. */
static void check_overlays(const struct medvl_dicom *dicom)
{
    struct medvl_picture picture = {0};
    struct medvl_error err = {0};
    int rc;

    must(medvl_picture_make(&picture, 9, 7, 3, 8, NULL) == MEDVL_OK);
    for (int64_t frame = 0; frame < 3; frame++) {
        rc = medvl_dicom_overlays(&picture, dicom, NULL, frame, &err);
        must(rc == MEDVL_OK || rc == MEDVL_EFORMAT);
    }
    medvl_picture_release(&picture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct medvl_dicom dicom = {0};
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    dicom.file = (struct medvl_decoded){
        .frames = 2, .size = {1, 4, 3}, .type = MEDVL_VOXEL_U16, .bytes = 24};
    dicom.file.tags = (struct medvl_span){(const char *)data, size};
    must(medvl_dicom_write_tags(&json, dicom.file.tags, &err) == MEDVL_OK);
    if (medvl_json_parse(&dicom.tags, medvl_text_span(&json), &err) ==
        MEDVL_OK) {
        check_deidentify(&dicom);
        dicom.file.type = MEDVL_VOXEL_F32;
        check_overlays(&dicom);
    } else {
        must(err.code == MEDVL_EARG); /* too many values alone */
    }
    medvl_dicom_release(&dicom);
    medvl_text_release(&json);
    return 0;
}
