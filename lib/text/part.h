/*
 * Parts of tokenizer.json: objects with a "type", and Sequences of them.
 *
 * Read next: spell.h.
 */
#ifndef MEDVL_TEXT_PART_H
#define MEDVL_TEXT_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/json.h"
#include "lib/text/regex.h"

/* "type" of a part of tokenizer.json, or "(no type)". */
const char *medvl_part_type(const struct medvl_json *part);

/*
 * Give `json`, or if it is a Sequence the parts that `list` names in it and
 * in the Sequences there, to `read` in order, until it fails.  JSON null or
 * NULL has no parts.  MEDVL_EUNSUPPORTED: more than 64 Sequences within each
 * other that have parts left to read.
 */
typedef int medvl_part_fn(void *self, const struct medvl_json *part,
                          struct medvl_error *err);
int medvl_parts_read(const struct medvl_json *json, const char *list,
                     medvl_part_fn *read, void *self,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * {"String": text} or {"Regex": text} of a Split or Replace.  What matches
 * an empty string is a literal that is found everywhere.
 */
int medvl_pattern_read(struct medvl_regex **out,
                       const struct medvl_json *pattern,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* A field that is a text, copied and freed by the caller. */
int medvl_part_text(char **out, const struct medvl_json *part,
                    const char *name,
                    struct medvl_error *err) MEDVL_MUST_CHECK;

/* A field that is one character. */
int medvl_part_character(uint32_t *out, const struct medvl_json *part,
                         const char *name,
                         struct medvl_error *err) MEDVL_MUST_CHECK;

/* Is the field there, and true? */
bool medvl_part_flag(const struct medvl_json *part, const char *name);

#endif
