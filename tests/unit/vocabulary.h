/*
 * For tests of what cuts words into tokens: the files that
 * tests/golden/vocabulary.py wrote.
 */
#ifndef MEDVL_TESTS_VOCABULARY_H
#define MEDVL_TESTS_VOCABULARY_H

#include "tests/unit/check.h"

#include "lib/base/json.h"
#include "lib/text/bpe.h"

#define VOCABULARY "tests/golden/vocabulary/"

static inline const char *vocabulary_string(const struct medvl_json *object,
                                            const char *name)
{
    const char *string = medvl_json_string(medvl_json_get(object, name));

    assert_non_null(string);
    return string;
}

/* Give each line of a file, parsed, to `use`; returns how many. */
static inline int vocabulary_lines(const char *path,
                                   void (*use)(void *arg,
                                               const struct medvl_json *line),
                                   void *arg)
{
    struct medvl_text file = {0};
    struct medvl_error err = {0};
    int lines = 0;

    CHECK_OK(medvl_file_read(&file, path, 16 << 20, &err), &err);
    for (size_t at = 0; at < file.size; lines++) {
        const char *end = memchr(file.data + at, '\n', file.size - at);
        const struct medvl_span span = {file.data + at,
                                        (size_t)(end - file.data) - at};
        struct medvl_json *line = NULL;

        CHECK_OK(medvl_json_parse(&line, span, &err), &err);
        use(arg, line);
        medvl_json_free(line);
        at += span.size + 1;
    }
    medvl_text_release(&file);
    return lines;
}

/* The tokens are those of a case: its "ids", and "ends" where it has them. */
static inline void vocabulary_check(const struct medvl_json *line,
                                    const struct medvl_tokens *tokens)
{
    const struct medvl_json *ids = medvl_json_get(line, "ids");
    const struct medvl_json *ends = medvl_json_get(line, "ends");
    const struct medvl_json *id = medvl_json_first(ids);
    const struct medvl_json *end = medvl_json_first(ends);
    const char *text = vocabulary_string(line, "text");

    if (medvl_json_count(ids) != tokens->count)
        fail_msg("<%s> gave %zu tokens, not %zu", text, tokens->count,
                 medvl_json_count(ids));
    for (size_t i = 0; i < tokens->count; i++) {
        if ((int32_t)medvl_json_number(id, -1) != tokens->ids[i])
            fail_msg("<%s>: token %zu is %d, not %g", text, i,
                     tokens->ids[i], medvl_json_number(id, -1));
        if (ends && medvl_json_number(end, -1) != (double)tokens->ends[i])
            fail_msg("<%s>: token %zu ends at %zu, not %g", text, i,
                     tokens->ends[i], medvl_json_number(end, -1));
        id = medvl_json_next(id);
        end = medvl_json_next(end);
    }
}

#endif
