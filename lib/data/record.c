/*
 * A record: its line and the spans of its top-level members, through
 * base/json's view.  Everything here adds the field's name to an error.
 *
 * Read next: ../stage/loop.c.
 */
#include "lib/data/record.h"

#include <string.h>

#include "lib/base/text.h"

int medvl_record_parse(struct medvl_record *record, struct medvl_span line,
                       struct medvl_error *err)
{
    return medvl_json_view_object(&record->view, line, err);
}

void medvl_record_release(struct medvl_record *record)
{
    medvl_json_view_release(&record->view);
    memset(record, 0, sizeof(*record));
}

struct medvl_span medvl_record_get(const struct medvl_record *record,
                                   const char *name)
{
    return medvl_json_view_get(&record->view, name);
}

bool medvl_record_has(const struct medvl_record *record, const char *name)
{
    return medvl_record_get(record, name).size > 0;
}

int medvl_record_read(struct medvl_json **out,
                      const struct medvl_record *record, const char *name,
                      struct medvl_error *err)
{
    const struct medvl_span value = medvl_record_get(record, name);

    *out = NULL;
    if (!value.size)
        return MEDVL_OK;
    if (medvl_json_parse(out, value, err) < 0)
        return medvl_context(err, "\"%s\"", name);
    return MEDVL_OK;
}

int medvl_record_read_text(struct medvl_text *out,
                           const struct medvl_record *record,
                           const char *name, struct medvl_error *err)
{
    const struct medvl_span value = medvl_record_get(record, name);

    if (!value.size)
        return medvl_fail(err, MEDVL_EFORMAT, "\"%s\": missing", name);
    if (medvl_json_unescape(out, value, err) < 0)
        return medvl_context(err, "\"%s\"", name);
    return MEDVL_OK;
}

int medvl_record_set(struct medvl_record *record, const char *name,
                     struct medvl_span json, struct medvl_error *err)
{
    return medvl_json_view_set(&record->view, name, json, err);
}

int medvl_record_set_text(struct medvl_record *record, const char *name,
                          struct medvl_span text, struct medvl_error *err)
{
    struct medvl_text quoted = {0};
    int rc;

    rc = medvl_json_quote(&quoted, text, err);
    if (rc < 0)
        medvl_context(err, "\"%s\"", name);
    else
        rc = medvl_record_set(record, name, medvl_text_span(&quoted), err);
    medvl_text_release(&quoted);
    return rc;
}

int medvl_record_id(struct medvl_text *out, const struct medvl_record *record,
                    struct medvl_error *err)
{
    const size_t before = out->size;
    const int rc = medvl_record_read_text(out, record, "id", err);

    if (rc == MEDVL_OK && out->size == before)
        return medvl_fail(err, MEDVL_EFORMAT, "\"id\": empty");
    return rc;
}

int medvl_record_write(struct medvl_text *out,
                       const struct medvl_record *record,
                       struct medvl_error *err)
{
    const size_t before = out->size;
    char *newline;
    int rc = medvl_json_view_write(out, &record->view, err);

    if (rc == MEDVL_OK)
        rc = medvl_text_putc(out, '\n', err);
    if (rc < 0) {
        out->size = before;
        return rc;
    }
    /* What was parsed from an indented file is one line all the same. */
    newline = strchr(out->data + before, '\n');
    while (newline < out->data + out->size - 1) {
        *newline = ' ';
        newline = strchr(newline, '\n');
    }
    return MEDVL_OK;
}

/* The entry of one field in "provenance". */
static int write_author(struct medvl_text *out, const char *author,
                        const char *model, const char *command,
                        const char *options, struct medvl_error *err)
{
    struct medvl_json_writer w = {.out = out};

    medvl_json_begin(&w, NULL, '{');
    medvl_json_put_string(&w, "author", medvl_span(author));
    medvl_json_put_string(&w, "command", medvl_span(command));
    medvl_json_put_string(&w, "version", medvl_span(MEDVL_VERSION));
    if (options)
        medvl_json_put_string(&w, "options", medvl_span(options));
    if (model)
        medvl_json_put_string(&w, "model", medvl_span(model));
    medvl_json_end(&w);
    return medvl_json_write_end(&w, err);
}

int medvl_record_said(struct medvl_record *record, const char *field,
                      const char *author, const char *model,
                      const char *command, const char *options,
                      struct medvl_error *err)
{
    struct medvl_json_view view = {0};
    struct medvl_text entry = {0}, all = {0};
    struct medvl_span old = medvl_record_get(record, "provenance");
    int rc;

    if (!old.size)
        old = medvl_span("{}");
    rc = medvl_json_view_object(&view, old, err);
    if (rc < 0)
        medvl_context(err, "\"provenance\"");
    if (rc == MEDVL_OK)
        rc = write_author(&entry, author, model, command, options, err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_set(&view, field, medvl_text_span(&entry), err);
    if (rc == MEDVL_OK)
        rc = medvl_json_view_write(&all, &view, err);
    if (rc == MEDVL_OK)
        rc = medvl_record_set(record, "provenance", medvl_text_span(&all), err);
    medvl_text_release(&all);
    medvl_text_release(&entry);
    medvl_json_view_release(&view);
    return rc;
}

int medvl_record_author(struct medvl_record *record, const char *field,
                        const char *author, const char *command,
                        const char *options, struct medvl_error *err)
{
    return medvl_record_said(record, field, author, NULL, command, options,
                             err);
}
