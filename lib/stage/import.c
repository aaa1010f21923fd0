/*
 * Data sets, volumes and DICOM become records: a layout
 * (lib/build/layout.h), the volumes or the series make each record; here it
 * gets the constant fields, its provenance, and is written.
 *
 * Read next: import_names.c.
 */
#include "lib/stage/import.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/build/layout.h"
#include "lib/build/series.h"
#include "lib/stage/import_part.h"
#include "lib/stage/loop.h"

/* ---- writing ---------------------------------------------------------- */

static int set_constants(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    int rc = MEDVL_OK;

    if (o->group)
        rc = medvl_record_set_text(&im->record, "group",
                                   medvl_span(o->group), err);
    for (int i = 0; rc == MEDVL_OK && i < o->set_count; i++) {
        const char *equal = strchr(o->set[i], '=');
        char *key = medvl_copy_string(o->set[i],
                                      (size_t)(equal - o->set[i]));

        if (!key)
            return medvl_no_memory(err);
        rc = medvl_record_set_text(&im->record, key, medvl_span(equal + 1),
                                   err);
        medvl_free(key);
    }
    return rc;
}

static int set_authors(struct medvl_import *im, const char *fields,
                       struct medvl_error *err)
{
    struct medvl_span left = medvl_span(fields);
    int rc = MEDVL_OK;

    while (rc == MEDVL_OK) {
        const struct medvl_span word = medvl_import_next_word(&left);
        char name[64];

        if (!word.size || word.size >= sizeof(name))
            break;
        memcpy(name, word.data, word.size);
        name[word.size] = 0;
        if (medvl_record_has(&im->record, name))
            rc = medvl_record_author(&im->record, name, im->author,
                                     "medvl-import", im->options->hash, err);
    }
    return rc;
}

int medvl_import_put(void *arg, struct medvl_span json, const char *human,
                     struct medvl_error *err)
{
    struct medvl_import *im = arg;
    int rc = medvl_record_parse(&im->record, json, err);

    if (rc == MEDVL_OK)
        rc = set_constants(im, err);
    if (rc == MEDVL_OK)
        rc = set_authors(im, human, err);
    medvl_text_clear(&im->line);
    if (rc == MEDVL_OK)
        rc = medvl_record_write(&im->line, &im->record, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(im->writer, im->line.data, im->line.size, err);
    return rc;
}

int medvl_import_set_aside(void *arg, struct medvl_error *err)
{
    struct medvl_import *im = arg;
    struct medvl_json_writer w = {.out = &im->line};
    int rc;

    if (!im->options->keep_going)
        return err->code;
    if (im->options->report)
        im->options->report(im->options->arg, err->text);
    im->rejected++;
    if (!im->rejects)
        return MEDVL_OK;
    medvl_text_clear(&im->line);
    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "error", medvl_span(err->text));
    medvl_json_end(&w);
    rc = medvl_json_write_end(&w, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_putc(&im->line, '\n', err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_put(im->rejects, im->line.data, im->line.size, err);
    return rc;
}

/* ---- layouts ---------------------------------------------------------- */

/* Labels in the order of their numbers, which must be 0, 1, 2, ... */
static int order_labels(const char ***out, struct medvl_import *im,
                        struct medvl_error *err)
{
    const char **labels;

    *out = NULL;
    if (!im->name_count)
        return MEDVL_OK;
    labels = medvl_alloc(im->name_count, sizeof(*labels));
    *out = labels;
    for (size_t i = 0; labels && i < im->name_count; i++) {
        const struct medvl_import_name *name = &im->names[i];

        if ((size_t)name->id >= im->name_count)
            return medvl_fail(err, MEDVL_EARG,
                              "%s: the numbers are not 0 to %zu",
                              im->options->names, im->name_count - 1);
        labels[name->id] =
            medvl_copy_string(name->label.data, name->label.size);
        if (!labels[name->id])
            return medvl_no_memory(err);
    }
    return labels ? MEDVL_OK : medvl_no_memory(err);
}

/* What readers of layouts are told, and where their records go. */
static struct medvl_layout_job layout_job(struct medvl_import *im)
{
    const struct medvl_import_options *o = im->options;

    return (struct medvl_layout_job){.images = o->images,
                                     .out = o->out,
                                     .root = o->root,
                                     .split = o->split,
                                     .source = o->source,
                                     .license = o->license,
                                     .put = medvl_import_put,
                                     .bad = medvl_import_set_aside,
                                     .arg = im};
}

static int run_layout(struct medvl_import *im,
                      const struct medvl_layout *layout,
                      struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    struct medvl_layout_job job = layout_job(im);
    const struct medvl_load_options load = {.helper = o->helper};
    const char **labels = NULL;
    int rc = order_labels(&labels, im, err);

    if (rc == MEDVL_OK)
        rc = medvl_load_open(&job.load, &load, err);
    job.labels = labels;
    job.label_count = im->name_count;
    for (int i = 0; rc == MEDVL_OK && i < o->path_count; i++) {
        job.path = o->paths[i];
        rc = layout->read(&job, err);
    }
    medvl_load_free(job.load);
    for (size_t i = 0; labels && i < im->name_count; i++)
        medvl_free((void *)labels[i]);
    medvl_free(labels);
    return rc;
}

/* ---- DICOM ------------------------------------------------------------ */

static bool is_dicom(const struct medvl_import_options *o)
{
    return strcmp(o->layout, "dicom") == 0 ||
           strcmp(o->layout, "dicom-volumes") == 0;
}

static bool is_volumes(const struct medvl_import_options *o)
{
    return strcmp(o->layout, "nifti") == 0 ||
           strcmp(o->layout, "dicom-volumes") == 0;
}

static void report_burned(void *arg, const char *path, bool says)
{
    const struct medvl_import *im = arg;
    const struct medvl_import_options *o = im->options;
    struct medvl_text text = {0};

    if (o->report &&
        medvl_text_printf(&text, NULL, "%s: %s", path,
                          says ? "words are burned into the picture"
                               : "words may be burned into the picture") == 0)
        o->report(o->arg, text.data);
    medvl_text_release(&text);
}

static int report_passed(const struct medvl_import *im, int64_t passed,
                         struct medvl_error *err)
{
    struct medvl_text text = {0};
    int rc;

    if (!passed || !im->options->report)
        return MEDVL_OK;
    rc = medvl_text_printf(&text, err,
                           "%lld files in the folders are not DICOM",
                           (long long)passed);
    if (rc == MEDVL_OK)
        im->options->report(im->options->arg, text.data);
    medvl_text_release(&text);
    return rc;
}

static int run_dicom(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    const struct medvl_layout_job layout = layout_job(im);
    struct medvl_series_job job = {.paths = o->paths,
                                   .path_count = o->path_count,
                                   .ask = o->ask,
                                   .layout = &layout,
                                   .burned = report_burned};
    struct medvl_decoder *decoder = NULL;
    struct medvl_secret *secret = NULL;
    char *folder = NULL;
    int64_t passed = 0;
    int rc = medvl_secret_read(&secret, o->key, err);

    if (is_volumes(o))
        job.whole = medvl_import_series;
    else if (!o->author)
        im->author = "dicom";
    if (rc == MEDVL_OK)
        rc = medvl_decoder_open(&decoder, o->helper, (int)o->seconds, err);
    if (rc == MEDVL_OK && o->deidentify)
        rc = medvl_path_join(&folder, o->root ? o->root : "", o->out, err);
    job.deidentify = folder;
    job.secret = secret;
    job.decoder = im->decoder = decoder;
    if (rc == MEDVL_OK)
        rc = medvl_series_read(&passed, &job, err);
    if (rc == MEDVL_OK)
        rc = report_passed(im, passed, err);
    medvl_decoder_free(decoder);
    medvl_secret_free(secret);
    medvl_free(folder);
    return rc;
}

/* ---- the whole -------------------------------------------------------- */

/* What goes with DICOM alone, and what DICOM needs. */
static int check_dicom(const struct medvl_import_options *o,
                       struct medvl_error *err)
{
    if (!is_dicom(o) && (o->key || o->ask))
        return medvl_fail(err, MEDVL_EARG, "--key and --ask go with dicom");
    if (o->deidentify && (!is_dicom(o) || is_volumes(o)))
        return medvl_fail(err, MEDVL_EARG, "--deidentify goes with dicom");
    if (!is_dicom(o))
        return MEDVL_OK;
    if (!o->key)
        return medvl_fail(err, MEDVL_EARG,
                          "%s wants a key for the patients' pseudonyms: "
                          "head -c 32 /dev/urandom >KEY, then --key KEY",
                          o->layout);
    if (o->deidentify && !o->out)
        return medvl_fail(err, MEDVL_EARG,
                          "--deidentify wants a folder for the files (--out)");
    if (o->out && !o->deidentify && !is_volumes(o))
        return medvl_fail(err, MEDVL_EARG,
                          "dicom makes no pictures: --out goes with "
                          "--deidentify");
    if (o->ask && is_volumes(o))
        return medvl_fail(err, MEDVL_EARG, "--ask goes with dicom alone");
    return o->ask ? medvl_series_check_ask(o->ask, err) : MEDVL_OK;
}

int medvl_import_check(const struct medvl_import_options *o,
                       struct medvl_error *err)
{
    const bool volumes = is_volumes(o);
    struct medvl_window window;

    if (!volumes && !is_dicom(o) && !medvl_layout_find(o->layout))
        return medvl_fail(err, MEDVL_EARG,
                          "'%s' is no layout; there are vqa-rad, medmnist, "
                          "bccd, captions, images, nifti, dicom, "
                          "dicom-volumes",
                          o->layout);
    if (check_dicom(o, err) < 0)
        return MEDVL_EARG;
    if (!o->path_count)
        return medvl_fail(err, MEDVL_EARG, "nothing to import");
    if (!o->out && (volumes || strcmp(o->layout, "medmnist") == 0))
        return medvl_fail(err, MEDVL_EARG,
                          "%s makes pictures: want a folder (--out)",
                          o->layout);
    if (!volumes && (o->axis || o->convention || o->window || o->slices ||
                     o->canvas > 0 || o->resample > 0 || o->content > 0))
        return medvl_fail(err, MEDVL_EARG,
                          "--axis, --convention, --window, --slices, "
                          "--canvas, --resample and --content go with "
                          "volumes");
    if (o->names && !volumes && strcmp(o->layout, "medmnist") != 0)
        return medvl_fail(err, MEDVL_EARG,
                          "--names go with volumes and medmnist");
    if (o->names && volumes && !o->labels)
        return medvl_fail(err, MEDVL_EARG,
                          "--names: of which volume? (--labels FILE)");
    if (o->labels && (!volumes || (!is_dicom(o) && o->path_count > 1)))
        return medvl_fail(err, MEDVL_EARG, "--labels go with one volume");
    for (int i = 0; i < o->set_count; i++) {
        const char *equal = strchr(o->set[i], '=');

        if (!equal || !medvl_import_is_key((struct medvl_span){
                          o->set[i], (size_t)(equal - o->set[i])}))
            return medvl_fail(err, MEDVL_EARG, "set '%s': want KEY=VALUE",
                              o->set[i]);
    }
    if (o->window && medvl_window_parse(&window, o->window, err) < 0)
        return MEDVL_EARG;
    if (o->window && window.file && !(volumes && is_dicom(o)))
        return medvl_fail(err, MEDVL_EARG,
                          "--window file: NIfTI files hold no window");
    return medvl_import_check_slices(o, err);
}

static int open_output(struct medvl_import *im, struct medvl_error *err)
{
    const struct medvl_import_options *o = im->options;
    char *folder = NULL;
    int rc = MEDVL_OK;

    if (o->out) {
        rc = medvl_path_join(&folder, o->root ? o->root : "", o->out, err);
        if (rc == MEDVL_OK)
            rc = medvl_folder_make(folder, err);
        medvl_free(folder);
    }
    if (rc == MEDVL_OK)
        rc = medvl_loop_apart(o->output, ".tmp", o->rejects, err);
    if (rc == MEDVL_OK)
        rc = medvl_writer_open(&im->writer, o->output ? o->output : "-",
                               ".tmp", false, err);
    if (rc == MEDVL_OK && o->rejects)
        rc = medvl_writer_open(&im->rejects, o->rejects, ".tmp", false, err);
    return rc;
}

static int close_output(struct medvl_import *im, int rc,
                        struct medvl_error *err)
{
    struct medvl_writer *writer = im->writer, *rejects = im->rejects;

    im->writer = im->rejects = NULL;
    if (rc < 0) {
        /* Standard output has whole lines before the error's own. */
        if (writer)
            (void)!medvl_writer_flush(writer, NULL);
        medvl_writer_free(writer);
        medvl_writer_free(rejects);
        return rc;
    }
    /* All is written before anything gets its name. */
    rc = medvl_writer_end(writer, err);
    if (rc == MEDVL_OK && rejects)
        rc = medvl_writer_end(rejects, err);
    if (rc < 0)
        medvl_writer_free(rejects);
    else if (rejects)
        rc = medvl_writer_close(rejects, err);
    if (rc < 0)
        medvl_writer_free(writer);
    else
        rc = medvl_writer_close(writer, err);
    return rc;
}

static int run_any(struct medvl_import *im, struct medvl_error *err)
{
    const char *name = im->options->layout;

    if (strcmp(name, "nifti") == 0)
        return medvl_import_volumes(im, err);
    if (is_dicom(im->options))
        return run_dicom(im, err);
    return run_layout(im, medvl_layout_find(name), err);
}

int medvl_import(const struct medvl_import_options *options,
                 struct medvl_error *err)
{
    struct medvl_import im = {.options = options};
    struct medvl_error local = {0};
    int rc;

    err = err ? err : &local;
    im.author = options->author ? options->author : "human";
    rc = medvl_import_check(options, err);
    if (rc == MEDVL_OK)
        rc = medvl_import_read_names(&im, err);
    if (rc == MEDVL_OK)
        rc = open_output(&im, err);
    if (rc == MEDVL_OK)
        rc = run_any(&im, err);
    rc = close_output(&im, rc, err);
    for (size_t i = 0; i < im.name_count; i++)
        medvl_text_release(&im.names[i].pairs);
    medvl_free(im.names);
    medvl_text_release(&im.names_text);
    medvl_text_release(&im.line);
    medvl_record_release(&im.record);
    return rc == MEDVL_OK && im.rejected ? 1 : rc;
}
