/*
 * Texts as they are compared, and what a record asks and answers.
 *
 * Read next: inspect.c.
 */
#include "lib/stage/check_part.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/unicode.h"

/* Space, a control, or a character that formats and shows nothing. */
static bool is_unseen(uint32_t rune)
{
    static const uint32_t FORMAT[][2] = {
        {0xad, 0xad},
        {0x61c, 0x61c},
        {0x180e, 0x180e},
        {0x200b, 0x200f},
        {0x202a, 0x202e},
        {0x2060, 0x206f},
        {0xfeff, 0xfeff},
    };

    for (size_t i = 0; i < sizeof(FORMAT) / sizeof(*FORMAT); i++)
        if (rune >= FORMAT[i][0] && rune <= FORMAT[i][1])
            return true;
    return rune <= ' ' || (rune >= 0x7f && rune < 0xa0) ||
           medvl_unicode_class(rune) & MEDVL_RUNE_SPACE;
}

bool medvl_check_blank(const char *text)
{
    const size_t size = strlen(text);
    uint32_t rune = ' ';

    for (size_t i = 0; i < size && is_unseen(rune);)
        i += (size_t)medvl_utf8_decode(&rune, text + i, size - i);
    return is_unseen(rune);
}

static int put_plain(struct medvl_text *out, const char *text,
                     struct medvl_error *err)
{
    const size_t size = text ? strlen(text) : 0, start = out->size;
    size_t end = start;
    uint32_t rune;
    char bytes[4];
    int rc = medvl_text_reserve(out, size, err);

    for (size_t i = 0; rc == MEDVL_OK && i < size;) {
        i += (size_t)medvl_utf8_decode(&rune, text + i, size - i);
        if (is_unseen(rune) && out->size == start)
            continue;
        rc = medvl_text_append(
            out, bytes,
            (size_t)medvl_utf8_encode(bytes, medvl_unicode_lower(rune)), err);
        if (!is_unseen(rune))
            end = out->size;
    }
    if (rc == MEDVL_OK) {
        out->size = end;
        out->data[end] = 0;
    }
    return rc;
}

/* The member's tree; NULL also where it cannot be held. */
static int read(struct medvl_json **out, const struct medvl_record *record,
                const char *name, struct medvl_error *err)
{
    struct medvl_error own = {0};

    *out = NULL;
    return medvl_is_fatal(medvl_record_read(out, record, name, &own))
               ? medvl_no_memory(err)
               : MEDVL_OK;
}

int medvl_check_plain(struct medvl_text *out,
                      const struct medvl_record *record, const char *name,
                      struct medvl_error *err)
{
    struct medvl_json *tree;
    int rc = read(&tree, record, name, err);

    if (rc == MEDVL_OK)
        rc = put_plain(out,
                       medvl_json_string(
                           medvl_json_type(tree) == MEDVL_JSON_ARRAY
                               ? medvl_json_first(tree)
                               : tree),
                       err);
    medvl_json_free(tree);
    return rc;
}

/* ---- what is asked, and what is answered ------------------------------- */

/* A letter of the choices becomes the text of its choice. */
static int name_choice(struct medvl_text *answer,
                       const struct medvl_json *choices,
                       struct medvl_error *err)
{
    const struct medvl_json *item =
        medvl_json_type(choices) == MEDVL_JSON_OBJECT
            ? medvl_json_first(choices)
            : NULL;
    struct medvl_text letter = {0};
    bool found = false;
    int rc = MEDVL_OK;

    for (; rc == MEDVL_OK && item && !found; item = medvl_json_next(item)) {
        medvl_text_clear(&letter);
        rc = put_plain(&letter, medvl_json_name(item), err);
        found = rc == MEDVL_OK && medvl_json_string(item) &&
                medvl_span_equal(medvl_text_span(&letter),
                                 medvl_text_span(answer));
        if (found) {
            medvl_text_clear(answer);
            rc = put_plain(answer, medvl_json_string(item), err);
        }
    }
    medvl_text_release(&letter);
    return rc;
}

/* A turn's texts, and which images its parts show. */
static int put_turn(struct medvl_text *out, const struct medvl_json *content,
                    int64_t *parts, struct medvl_error *err)
{
    const struct medvl_json *part = medvl_json_first(content);
    int rc = put_plain(out, medvl_json_string(content), err);

    if (medvl_json_type(content) != MEDVL_JSON_ARRAY)
        return rc;
    for (; rc == MEDVL_OK && part; part = medvl_json_next(part)) {
        const char *type = medvl_json_string(medvl_json_get(part, "type"));

        if (type && strcmp(type, "image") == 0)
            rc = medvl_text_printf(
                out, err, "\002%.0f\003",
                medvl_json_number(medvl_json_get(part, "index"),
                                  (double)(*parts)++));
        else
            rc = put_plain(out,
                           medvl_json_string(medvl_json_get(part, "text")),
                           err);
    }
    return rc;
}

/* The assistant's turns are the answer, the others the question. */
static int put_messages(struct medvl_text *asked, struct medvl_text *answer,
                        const struct medvl_json *list,
                        struct medvl_error *err)
{
    const struct medvl_json *message =
        medvl_json_type(list) == MEDVL_JSON_ARRAY ? medvl_json_first(list)
                                                  : NULL;
    int64_t parts = 0;
    int rc = MEDVL_OK;

    for (; rc == MEDVL_OK && message; message = medvl_json_next(message)) {
        const char *role =
            medvl_json_string(medvl_json_get(message, "role"));
        const bool own = role && strcmp(role, "assistant") == 0;

        rc = medvl_text_printf(asked, err, "\001%s\002", role ? role : "");
        if (rc == MEDVL_OK && own && answer->size)
            rc = medvl_text_putc(answer, '\n', err);
        if (rc == MEDVL_OK)
            rc = put_turn(own ? answer : asked,
                          medvl_json_get(message, "content"), &parts, err);
    }
    return rc;
}

int medvl_check_asked(struct medvl_text *asked, struct medvl_text *answer,
                      const struct medvl_record *record,
                      struct medvl_error *err)
{
    const struct medvl_span choices = medvl_record_get(record, "choices");
    const size_t before = asked->size;
    struct medvl_json *tree = NULL;
    int rc = medvl_check_plain(asked, record, "question", err);

    if (rc == MEDVL_OK && asked->size == before) {
        rc = read(&tree, record, "messages", err);
        if (rc == MEDVL_OK)
            rc = put_messages(asked, answer, tree, err);
        medvl_json_free(tree);
        return rc;
    }
    if (rc == MEDVL_OK)
        rc = medvl_check_plain(answer, record, "answer", err);
    if (rc == MEDVL_OK)
        rc = read(&tree, record, "choices", err);
    if (rc == MEDVL_OK && answer->size)
        rc = name_choice(answer, tree, err);
    if (rc == MEDVL_OK && medvl_json_type(tree) > MEDVL_JSON_NULL)
        rc = medvl_text_append(asked, choices.data, choices.size, err);
    medvl_json_free(tree);
    return rc;
}
