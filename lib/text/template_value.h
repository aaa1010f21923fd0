/*
 * The values of templates: Python's none, bool, int, float, str, list,
 * tuple and dict, with a mark on text that came from a record.  Inside of
 * template.h; no command includes this.
 *
 * All values of a render live in one heap that is emptied as a whole and
 * counts steps, depth and bytes; what is past a limit is an error.  Values
 * never change once made (a namespace's dict excepted), so strings and
 * lists share memory freely.
 *
 * Functions return MEDVL_OK or the code of heap->err.
 *
 * Read next: template_print.h.
 */
#ifndef MEDVL_TEXT_TEMPLATE_VALUE_H
#define MEDVL_TEXT_TEMPLATE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/mem.h"
#include "lib/base/text.h"

/* ---- heap ------------------------------------------------------------ */

struct medvl_tv_chunk;

struct medvl_tv_heap {
    struct medvl_tv_chunk *chunks; /* newest first */
    size_t memory, memory_limit;
    int64_t steps, step_limit;
    int depth, depth_limit;
    struct medvl_tv *stack; /* scratch of unfinished lists */
    size_t stack_size, stack_capacity;
    const struct tm *now;    /* of strftime_now; NULL: there is none */
    struct medvl_error *err; /* never NULL */
};

/* Bytes aligned to 16, not zeroed; NULL (and an error) past the limit. */
void *medvl_tv_alloc(struct medvl_tv_heap *h, size_t count, size_t size);

/* As medvl_tv_alloc with `old` copied; in place where it came last. */
void *medvl_tv_extend(struct medvl_tv_heap *h, void *old, size_t old_size,
                      size_t size);
void medvl_tv_reset(struct medvl_tv_heap *h); /* keeps one chunk */
void medvl_tv_release(struct medvl_tv_heap *h);

int medvl_tv_steps(struct medvl_tv_heap *h, size_t steps) MEDVL_MUST_CHECK;

/* One level deeper; each MEDVL_OK is paired with h->depth--. */
int medvl_tv_enter(struct medvl_tv_heap *h) MEDVL_MUST_CHECK;

/* A mistake of the template: MEDVL_EFORMAT. */
int medvl_tv_fail(struct medvl_tv_heap *h, const char *format, ...)
    MEDVL_PRINTF(2, 3);

/* ---- values ---------------------------------------------------------- */

enum medvl_tv_kind {
    TV_UNDEFINED,
    TV_NONE,
    TV_BOOL,
    TV_INT,
    TV_FLOAT,
    TV_STRING,
    TV_LIST,
    TV_TUPLE,
    TV_DICT,
    TV_NAMESPACE, /* a dict whose members can be set */
    TV_LOOP,      /* the rest belong to the evaluator */
    TV_MACRO,
    TV_FUNCTION,
    TV_METHOD,
};

struct medvl_tv {
    uint8_t kind;
    uint8_t mark; /* of bool, int, float: it came from a record */
    union {
        const char *name; /* undefined: of what, or NULL */
        bool truth;
        int64_t i;
        double f;
        struct medvl_tv_string *string;
        struct medvl_tv_list *list;
        struct medvl_tv_dict *dict;
        void *other;
    } u;
};

struct medvl_tv_string {
    const char *data; /* UTF-8 */
    size_t size;
    const uint8_t *marks; /* one a byte; NULL: every byte is `mark` */
    bool mark;
    int64_t length; /* characters; -1 not counted yet */
};

struct medvl_tv_list {
    const struct medvl_tv *items;
    size_t count;
};

struct medvl_tv_pair {
    struct medvl_tv key, value;
};

struct medvl_tv_dict {
    struct medvl_tv_pair *pairs; /* in order of insertion */
    size_t count, capacity;
    uint32_t *index; /* hash table of pair + 1; NULL while small */
    size_t index_size;
};

struct medvl_tv medvl_tv_none(void);
struct medvl_tv medvl_tv_undefined(const char *name);
struct medvl_tv medvl_tv_bool(bool value);
struct medvl_tv medvl_tv_int(int64_t value);
struct medvl_tv medvl_tv_float(double value);

/* The bytes are borrowed and must live as long as the heap's values. */
int medvl_tv_string(struct medvl_tv_heap *h, struct medvl_tv *out,
                    const char *data, size_t size, bool mark);

/* Bytes [from, to) of a string, marks kept. */
int medvl_tv_cut(struct medvl_tv_heap *h, struct medvl_tv *out,
                 const struct medvl_tv_string *s, size_t from, size_t to);

/* A list (or tuple) of `count` items that are copied. */
int medvl_tv_list(struct medvl_tv_heap *h, struct medvl_tv *out, int kind,
                  const struct medvl_tv *items, size_t count);
int medvl_tv_pair(struct medvl_tv_heap *h, struct medvl_tv *out,
                  struct medvl_tv a, struct medvl_tv b); /* a tuple */

/* Lists of unknown length: push, then take what is above `base`. */
int medvl_tv_push(struct medvl_tv_heap *h, struct medvl_tv value);
int medvl_tv_take(struct medvl_tv_heap *h, struct medvl_tv *out, int kind,
                  size_t base);

int medvl_tv_dict(struct medvl_tv_heap *h, struct medvl_tv *out);
int medvl_tv_dict_set(struct medvl_tv_heap *h, struct medvl_tv_dict *dict,
                      struct medvl_tv key, struct medvl_tv value);

/* *out is the pair, or NULL.  An error for a key that cannot be one. */
int medvl_tv_dict_find(struct medvl_tv_heap *h, struct medvl_tv_pair **out,
                       const struct medvl_tv_dict *dict,
                       const struct medvl_tv *key);
struct medvl_tv *medvl_tv_dict_name(struct medvl_tv_heap *h,
                                    const struct medvl_tv_dict *dict,
                                    const char *name); /* or NULL */

/* ---- looking --------------------------------------------------------- */

const char *medvl_tv_type_name(const struct medvl_tv *value);
bool medvl_tv_truth(const struct medvl_tv *value);
bool medvl_tv_is_number(const struct medvl_tv *value); /* bool too */
bool medvl_tv_is_int(const struct medvl_tv *value);    /* bool too */
int64_t medvl_tv_int_of(const struct medvl_tv *value);
double medvl_tv_float_of(const struct medvl_tv *value);
bool medvl_tv_is_list(const struct medvl_tv *value); /* or a tuple */
bool medvl_tv_is_text(const struct medvl_tv *value, const char *text);

/* len() of a string, list, dict or undefined, else an error. */
int medvl_tv_length(struct medvl_tv_heap *h, int64_t *out,
                    const struct medvl_tv *value);

/* Byte offset of character `index`, 0..length. */
size_t medvl_tv_offset(struct medvl_tv_string *s, int64_t index);

int medvl_tv_equal(struct medvl_tv_heap *h, bool *out,
                   const struct medvl_tv *a, const struct medvl_tv *b);

/* *out below, at or above zero; an error for values without an order. */
int medvl_tv_order(struct medvl_tv_heap *h, int *out,
                   const struct medvl_tv *a, const struct medvl_tv *b);

/* Is `item` in `box`? */
int medvl_tv_contains(struct medvl_tv_heap *h, bool *out,
                      const struct medvl_tv *item,
                      const struct medvl_tv *box);

/* What a for loop visits: items, keys, characters. */
int medvl_tv_items(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *value);

/* value[key] with an index from either end, or a member; *found says. */
int medvl_tv_item(struct medvl_tv_heap *h, struct medvl_tv *out, bool *found,
                  const struct medvl_tv *value, const struct medvl_tv *key);

/* Offset of `part` in `text` at or after `from`; SIZE_MAX: not there. */
size_t medvl_tv_find(const struct medvl_tv_string *text, size_t from,
                     const struct medvl_tv_string *part);

#endif
