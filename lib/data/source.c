/*
 * The bytes of a record's picture: see source.h.
 *
 * Read next: ../eval/answer.c.
 */
#include "lib/data/source.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/data/shard_mds.h"

/* From here on a file is kept for the next call. */
#define LARGE ((int64_t)1 << 24)

struct medvl_source {
    char *root; /* may be NULL */
    size_t max;
    struct medvl_text bytes;
    char *path; /* of the file in `bytes`, or NULL */
    struct stat file;
    bool again;            /* it was there before the last call */
    struct medvl_mds *mds; /* the folder used last, or NULL */
};

int medvl_source_open(struct medvl_source **out, const char *root, size_t max,
                      struct medvl_error *err)
{
    struct medvl_source *source = medvl_alloc(1, sizeof(*source));

    *out = NULL;
    if (!source)
        return medvl_no_memory(err);
    source->max = max ? max : MEDVL_SOURCE_MAX;
    if (root) {
        source->root = medvl_copy_string(root, strlen(root));
        if (!source->root) {
            medvl_source_free(source);
            return medvl_no_memory(err);
        }
    }
    *out = source;
    return MEDVL_OK;
}

void medvl_source_free(struct medvl_source *source)
{
    if (!source)
        return;
    medvl_mds_free(source->mds);
    medvl_text_release(&source->bytes);
    medvl_free(source->path);
    medvl_free(source->root);
    medvl_free(source);
}

const char *medvl_source_path(const struct medvl_source *source)
{
    return source->path;
}

bool medvl_source_again(const struct medvl_source *source)
{
    return source->again;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    if (c == '/')
        return 63;
    return -1;
}

/* RFC 4648 with its padding; a data URL's head is skipped. */
static int decode_base64(struct medvl_text *out, const char *text, size_t max,
                         struct medvl_error *err)
{
    const char *comma = strncmp(text, "data:", 5) == 0 ? strchr(text, ',')
                                                       : NULL;
    size_t size, pad = 0;
    int rc;

    if (comma)
        text = comma + 1;
    size = strlen(text);
    while (pad < 2 && pad < size && text[size - 1 - pad] == '=')
        pad++;
    if (size % 4)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "data: base64 of %zu characters", size);
    if (size / 4 * 3 - pad > max)
        return medvl_fail(err, MEDVL_EARG, "data: %zu bytes, at most %zu",
                          size / 4 * 3 - pad, max);
    rc = medvl_text_reserve(out, size / 4 * 3, err);
    for (size_t i = 0; i < size && rc == MEDVL_OK; i += 4) {
        const size_t keep = i + 4 == size ? 3 - pad : 3;
        char three[3];
        int32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            const int d = k > keep ? 0 : digit(text[i + k]);

            if (d < 0)
                return medvl_fail(err, MEDVL_EFORMAT,
                                  "data: no base64 at character %zu", i + k);
            bits = bits << 6 | d;
        }
        three[0] = (char)(bits >> 16 & 255);
        three[1] = (char)(bits >> 8 & 255);
        three[2] = (char)(bits & 255);
        rc = medvl_text_append(out, three, keep, err);
    }
    return rc;
}

static int index_at(int64_t *out, const struct medvl_json *index, size_t at)
{
    const double value = medvl_json_number(medvl_json_at(index, at), -1);

    if (!(value >= 0) || value > 9007199254740992.0 ||
        value != (double)(int64_t)value)
        return -1;
    *out = (int64_t)value;
    return 0;
}

static int read_shard(struct medvl_span *out, struct medvl_source *source,
                      const char *folder, const struct medvl_json *index,
                      struct medvl_error *err)
{
    struct medvl_span values[MEDVL_MDS_FIELDS];
    int64_t sample, picture;
    int rc;

    if (medvl_json_type(index) != MEDVL_JSON_ARRAY ||
        medvl_json_count(index) != 2 || index_at(&sample, index, 0) < 0 ||
        index_at(&picture, index, 1) < 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "index: want [sample, picture] beside shard");
    if (source->mds && strcmp(medvl_mds_folder(source->mds), folder) != 0) {
        medvl_mds_free(source->mds);
        source->mds = NULL;
    }
    if (!source->mds) {
        rc = medvl_mds_open_records(&source->mds, folder, 0, err);
        if (rc < 0)
            return rc;
    }
    rc = medvl_mds_read(values, source->mds, sample, err);
    if (rc < 0)
        return rc;
    rc = medvl_mds_picture(out, values[MEDVL_MDS_IMAGES], picture, err);
    if (rc < 0)
        return medvl_context(err, "%s: sample %" PRId64, folder, sample);
    return rc;
}

static void forget(struct medvl_source *source)
{
    medvl_free(source->path);
    source->path = NULL;
    medvl_text_clear(&source->bytes);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The path becomes the source's. */
static int read_path(struct medvl_source *source, char *path,
                     struct medvl_error *err)
{
    struct stat now = {0};
    int rc;

    if (stat(path, &now) != 0)
        now.st_size = 0;
    source->again = source->path && strcmp(source->path, path) == 0 &&
                    now.st_size >= LARGE && is_same(&now, &source->file);
    if (source->again) {
        medvl_free(path);
        return MEDVL_OK;
    }
    forget(source);
    rc = medvl_file_read_regular(&source->bytes, path, source->max, err);
    if (rc < 0 && !source->root && *path != '/' && !medvl_file_exists(path))
        rc = medvl_fail(err, rc,
                        "%s: no such file below the current directory "
                        "(--root, where a command has it, names another)",
                        path);
    source->file = now;
    if (rc == MEDVL_OK)
        source->path = path;
    else
        medvl_free(path);
    return rc;
}

/* Which member of "images" says where the picture is, and what it says. */
struct place {
    const char *text;
    bool data, shard; /* else a path */
};

static int find_place(struct place *out, const struct medvl_json *image,
                      struct medvl_error *err)
{
    const struct medvl_json *path = medvl_json_get(image, "path");
    const struct medvl_json *data = medvl_json_get(image, "data");
    const struct medvl_json *shard = medvl_json_get(image, "shard");

    if (!!path + !!data + !!shard != 1)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "want one of path, data, shard in it");
    out->data = data;
    out->shard = shard;
    out->text = medvl_json_string(path ? path : data ? data
                                                     : shard);
    if (!out->text)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "path, data, shard: want a string");
    if (!data && !*out->text)
        return medvl_fail(err, MEDVL_EFORMAT, "path: empty");
    return MEDVL_OK;
}

static int join_root(char **out, const struct medvl_source *source,
                     const char *name, struct medvl_error *err)
{
    return medvl_path_join(out, source->root ? source->root : "", name, err);
}

int medvl_source_has(struct medvl_text *missing,
                     const struct medvl_source *source,
                     const struct medvl_json *image, struct medvl_error *err)
{
    struct place place;
    char *path = NULL;
    int rc = find_place(&place, image, err);
    bool has = false;

    if (rc < 0 || place.data)
        return rc < 0 ? rc : 1;
    rc = join_root(&path, source, place.text, err);
    if (rc == MEDVL_OK)
        has = place.shard ? medvl_folder_exists(path)
                          : medvl_file_exists(path);
    if (rc == MEDVL_OK && !has)
        rc = medvl_text_puts(missing, path, err);
    medvl_free(path);
    return rc < 0 ? rc : has;
}

int medvl_source_read(struct medvl_span *out, struct medvl_source *source,
                      const struct medvl_json *image, struct medvl_error *err)
{
    struct place place;
    char *path = NULL;
    int rc = find_place(&place, image, err);

    *out = (struct medvl_span){0};
    source->again = false;
    if (rc == MEDVL_OK && !place.data)
        rc = join_root(&path, source, place.text, err);
    if (rc < 0)
        return rc;
    if (path && !place.shard) {
        rc = read_path(source, path, err);
        *out = medvl_text_span(&source->bytes);
        return rc;
    }
    forget(source);
    if (place.data) {
        rc = decode_base64(&source->bytes, place.text, source->max, err);
        *out = medvl_text_span(&source->bytes);
    } else {
        rc = read_shard(out, source, path, medvl_json_get(image, "index"),
                        err);
    }
    medvl_free(path);
    return rc;
}
