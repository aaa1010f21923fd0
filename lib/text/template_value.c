/*
 * Values of templates: the heap, lists, dicts, comparing, looking up.
 *
 * Read next: template_print.c.
 */
#include "lib/text/template_value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CHUNK ((size_t)64 * 1024)
#define SMALL_DICT  8 /* pairs that are searched without a table */

/* ---- heap ------------------------------------------------------------ */

struct medvl_tv_chunk {
    struct medvl_tv_chunk *next;
    size_t size, used; /* of data */
    _Alignas(16) char data[];
};

int medvl_tv_fail(struct medvl_tv_heap *h, const char *format, ...)
{
    char text[600];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return medvl_fail(h->err, MEDVL_EFORMAT, "%s", text);
}

static int add_chunk(struct medvl_tv_heap *h, size_t need)
{
    struct medvl_tv_chunk *chunk;
    size_t size = h->chunks ? 2 * h->chunks->size : FIRST_CHUNK;
    size_t total;

    if (size > 64 * FIRST_CHUNK)
        size = 64 * FIRST_CHUNK;
    if (size < need)
        size = need;
    if (!medvl_size_add(&total, size, sizeof(*chunk)))
        return medvl_no_memory(h->err);
    chunk = medvl_alloc(1, total);
    if (!chunk)
        return medvl_no_memory(h->err);
    chunk->size = size;
    chunk->next = h->chunks;
    h->chunks = chunk;
    return MEDVL_OK;
}

void *medvl_tv_alloc(struct medvl_tv_heap *h, size_t count, size_t size)
{
    struct medvl_tv_chunk *c = h->chunks;
    size_t bytes;
    void *p;

    if (!medvl_size_mul(&bytes, count, size) ||
        bytes > h->memory_limit - h->memory) {
        medvl_tv_fail(h, "more than %zu bytes of values", h->memory_limit);
        return NULL;
    }
    bytes = (bytes + 15) & ~(size_t)15;
    if (!c || bytes > c->size - c->used) {
        if (add_chunk(h, bytes) < 0)
            return NULL;
        c = h->chunks;
    }
    p = c->data + c->used;
    c->used += bytes;
    h->memory += bytes;
    if (h->memory > h->memory_limit)
        h->memory = h->memory_limit;
    return p;
}

void *medvl_tv_extend(struct medvl_tv_heap *h, void *old, size_t old_size,
                      size_t size)
{
    struct medvl_tv_chunk *c = h->chunks;
    size_t had = (old_size + 15) & ~(size_t)15;
    size_t want = (size + 15) & ~(size_t)15;
    char *p = old;

    if (p && size > old_size && c && c->used >= had &&
        p == c->data + c->used - had && want - had <= c->size - c->used &&
        want - had <= h->memory_limit - h->memory) {
        c->used += want - had;
        h->memory += want - had;
        return old;
    }
    p = medvl_tv_alloc(h, 1, size);
    if (p && old_size)
        memcpy(p, old, old_size);
    return p;
}

void medvl_tv_reset(struct medvl_tv_heap *h)
{
    while (h->chunks && h->chunks->next) {
        struct medvl_tv_chunk *next = h->chunks->next;

        medvl_free(h->chunks);
        h->chunks = next;
    }
    if (h->chunks)
        h->chunks->used = 0;
    h->memory = 0;
    h->steps = 0;
    h->depth = 0;
    h->stack_size = 0;
}

void medvl_tv_release(struct medvl_tv_heap *h)
{
    medvl_tv_reset(h);
    medvl_free(h->chunks);
    medvl_free(h->stack);
    h->chunks = NULL;
    h->stack = NULL;
    h->stack_capacity = 0;
}

int medvl_tv_steps(struct medvl_tv_heap *h, size_t steps)
{
    if (steps > (size_t)(h->step_limit - h->steps))
        return medvl_tv_fail(h, "stopped after %lld steps",
                             (long long)h->step_limit);
    h->steps += (int64_t)steps;
    return MEDVL_OK;
}

int medvl_tv_enter(struct medvl_tv_heap *h)
{
    if (h->depth >= h->depth_limit)
        return medvl_tv_fail(h, "more than %d levels deep", h->depth_limit);
    h->depth++;
    return medvl_tv_steps(h, 1);
}

/* ---- making ---------------------------------------------------------- */

struct medvl_tv medvl_tv_none(void)
{
    return (struct medvl_tv){.kind = TV_NONE};
}

struct medvl_tv medvl_tv_undefined(const char *name)
{
    return (struct medvl_tv){.kind = TV_UNDEFINED, .u.name = name};
}

struct medvl_tv medvl_tv_bool(bool value)
{
    return (struct medvl_tv){.kind = TV_BOOL, .u.truth = value};
}

struct medvl_tv medvl_tv_int(int64_t value)
{
    return (struct medvl_tv){.kind = TV_INT, .u.i = value};
}

struct medvl_tv medvl_tv_float(double value)
{
    return (struct medvl_tv){.kind = TV_FLOAT, .u.f = value};
}

int medvl_tv_string(struct medvl_tv_heap *h, struct medvl_tv *out,
                    const char *data, size_t size, bool mark)
{
    struct medvl_tv_string *s = medvl_tv_alloc(h, 1, sizeof(*s));

    if (!s)
        return (int)h->err->code;
    *s = (struct medvl_tv_string){size ? data : "", size, NULL, mark, -1};
    *out = (struct medvl_tv){.kind = TV_STRING, .u.string = s};
    return MEDVL_OK;
}

int medvl_tv_cut(struct medvl_tv_heap *h, struct medvl_tv *out,
                 const struct medvl_tv_string *s, size_t from, size_t to)
{
    int rc = medvl_tv_string(h, out, s->data + from, to - from, s->mark);

    if (rc == MEDVL_OK && s->marks)
        out->u.string->marks = s->marks + from;
    return rc;
}

int medvl_tv_list(struct medvl_tv_heap *h, struct medvl_tv *out, int kind,
                  const struct medvl_tv *items, size_t count)
{
    struct medvl_tv_list *list = medvl_tv_alloc(h, 1, sizeof(*list));
    struct medvl_tv *copy = medvl_tv_alloc(h, count, sizeof(*copy));

    if (!list || !copy)
        return (int)h->err->code;
    if (count)
        memcpy(copy, items, count * sizeof(*copy));
    *list = (struct medvl_tv_list){copy, count};
    *out = (struct medvl_tv){.kind = (uint8_t)kind, .u.list = list};
    return medvl_tv_steps(h, count / 8);
}

int medvl_tv_pair(struct medvl_tv_heap *h, struct medvl_tv *out,
                  struct medvl_tv a, struct medvl_tv b)
{
    const struct medvl_tv both[2] = {a, b};

    return medvl_tv_list(h, out, TV_TUPLE, both, 2);
}

int medvl_tv_push(struct medvl_tv_heap *h, struct medvl_tv value)
{
    const size_t room = (h->memory_limit - h->memory) / sizeof(value);
    int rc;

    if (h->stack_size > room)
        return medvl_tv_fail(h, "more than %zu bytes of values",
                             h->memory_limit);
    if (h->stack_size == h->stack_capacity) {
        rc = medvl_grow(&h->stack, &h->stack_capacity, h->stack_size + 1,
                        sizeof(value), h->err);
        if (rc < 0)
            return rc;
    }
    h->stack[h->stack_size++] = value;
    return MEDVL_OK;
}

int medvl_tv_take(struct medvl_tv_heap *h, struct medvl_tv *out, int kind,
                  size_t base)
{
    const size_t count = h->stack_size - base;

    h->stack_size = base;
    return medvl_tv_list(h, out, kind, count ? h->stack + base : NULL,
                         count);
}

/* ---- dicts ----------------------------------------------------------- */

/* Hash of a key, equal for equal keys: 1, 1.0 and true are one key. */
static int hash_key(struct medvl_tv_heap *h, uint32_t *out,
                    const struct medvl_tv *key)
{
    uint64_t x = 0xcbf29ce484222325u;
    uint32_t part;
    double f;
    int rc;

    if (key->kind == TV_STRING) {
        rc = medvl_tv_steps(h, key->u.string->size / 256);
        if (rc < 0)
            return rc;
        for (size_t i = 0; i < key->u.string->size; i++)
            x = (x ^ (uint8_t)key->u.string->data[i]) * 0x100000001b3u;
    } else if (medvl_tv_is_number(key)) {
        f = medvl_tv_float_of(key);
        f = f == 0 ? 0 : f;
        memcpy(&x, &f, sizeof(x));
        x *= 0x9e3779b97f4a7c15u;
    } else if (key->kind == TV_TUPLE) {
        for (size_t i = 0; i < key->u.list->count; i++) {
            rc = medvl_tv_enter(h);
            if (rc < 0)
                return rc;
            rc = hash_key(h, &part, &key->u.list->items[i]);
            h->depth--;
            if (rc < 0)
                return rc;
            x = (x ^ part) * 0x100000001b3u;
        }
    } else if (key->kind != TV_NONE) {
        return medvl_tv_fail(h, "a %s cannot be a key",
                             medvl_tv_type_name(key));
    }
    *out = (uint32_t)(x ^ x >> 32);
    return MEDVL_OK;
}

/* The slot of the table where `key` is, or where it would go. */
static int find_slot(struct medvl_tv_heap *h, uint32_t **out,
                     const struct medvl_tv_dict *dict,
                     const struct medvl_tv *key)
{
    const size_t mask = dict->index_size - 1;
    uint32_t hash;
    bool same = false;
    int rc;

    rc = hash_key(h, &hash, key);
    if (rc < 0)
        return rc;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        *out = &dict->index[i];
        if (!**out)
            return MEDVL_OK;
        rc = medvl_tv_steps(h, 1);
        if (rc == MEDVL_OK)
            rc = medvl_tv_equal(h, &same, &dict->pairs[**out - 1].key, key);
        if (rc < 0 || same)
            return rc;
    }
}

int medvl_tv_dict_find(struct medvl_tv_heap *h, struct medvl_tv_pair **out,
                       const struct medvl_tv_dict *dict,
                       const struct medvl_tv *key)
{
    uint32_t *slot, hash;
    bool same;
    int rc;

    *out = NULL;
    if (dict->index) {
        rc = find_slot(h, &slot, dict, key);
        if (rc == MEDVL_OK && *slot)
            *out = &dict->pairs[*slot - 1];
        return rc;
    }
    rc = hash_key(h, &hash, key); /* only whether it can be a key */
    for (size_t i = 0; i < dict->count && rc == MEDVL_OK; i++) {
        rc = medvl_tv_equal(h, &same, &dict->pairs[i].key, key);
        if (rc == MEDVL_OK && same) {
            *out = &dict->pairs[i];
            break;
        }
    }
    return rc;
}

struct medvl_tv *medvl_tv_dict_name(struct medvl_tv_heap *h,
                                    const struct medvl_tv_dict *dict,
                                    const char *name)
{
    struct medvl_tv_string s = {name, strlen(name), NULL, false, -1};
    const struct medvl_tv key = {.kind = TV_STRING, .u.string = &s};
    struct medvl_tv_pair *pair;

    if (medvl_tv_dict_find(h, &pair, dict, &key) < 0 || !pair)
        return NULL;
    return &pair->value;
}

static int index_dict(struct medvl_tv_heap *h, struct medvl_tv_dict *dict)
{
    uint32_t *slot;
    int rc;

    if (dict->capacity > UINT32_MAX / 4)
        return medvl_tv_fail(h, "more than %u keys", UINT32_MAX / 4);
    dict->index_size = 4 * dict->capacity;
    dict->index = medvl_tv_alloc(h, dict->index_size, sizeof(*dict->index));
    if (!dict->index)
        return (int)h->err->code;
    memset(dict->index, 0, dict->index_size * sizeof(*dict->index));
    for (size_t i = 0; i < dict->count; i++) {
        rc = find_slot(h, &slot, dict, &dict->pairs[i].key);
        if (rc < 0)
            return rc;
        *slot = (uint32_t)i + 1;
    }
    return MEDVL_OK;
}

int medvl_tv_dict(struct medvl_tv_heap *h, struct medvl_tv *out)
{
    struct medvl_tv_dict *dict = medvl_tv_alloc(h, 1, sizeof(*dict));

    if (!dict)
        return (int)h->err->code;
    memset(dict, 0, sizeof(*dict));
    *out = (struct medvl_tv){.kind = TV_DICT, .u.dict = dict};
    return MEDVL_OK;
}

int medvl_tv_dict_set(struct medvl_tv_heap *h, struct medvl_tv_dict *dict,
                      struct medvl_tv key, struct medvl_tv value)
{
    struct medvl_tv_pair *pair;
    uint32_t *slot;
    int rc;

    rc = medvl_tv_dict_find(h, &pair, dict, &key);
    if (rc < 0)
        return rc;
    if (pair) {
        pair->value = value;
        return MEDVL_OK;
    }
    if (dict->count == dict->capacity) {
        const size_t more = dict->capacity ? 2 * dict->capacity : 4;

        pair = medvl_tv_extend(h, dict->pairs,
                               dict->count * sizeof(*pair),
                               more * sizeof(*pair));
        if (!pair)
            return (int)h->err->code;
        dict->pairs = pair;
        dict->capacity = more;
        dict->index = NULL;
    }
    dict->pairs[dict->count++] = (struct medvl_tv_pair){key, value};
    if (dict->count <= SMALL_DICT)
        return MEDVL_OK;
    if (!dict->index)
        return index_dict(h, dict);
    rc = find_slot(h, &slot, dict, &key);
    if (rc == MEDVL_OK)
        *slot = (uint32_t)dict->count;
    return rc;
}

/* ---- looking --------------------------------------------------------- */

const char *medvl_tv_type_name(const struct medvl_tv *value)
{
    static const char *const NAMES[] = {
        "undefined value", "none", "bool", "int", "float", "str", "list",
        "tuple", "dict", "namespace", "loop", "macro", "function",
        "method"};

    return NAMES[value->kind];
}

bool medvl_tv_truth(const struct medvl_tv *value)
{
    switch (value->kind) {
    case TV_UNDEFINED:
    case TV_NONE: return false;
    case TV_BOOL: return value->u.truth;
    case TV_INT: return value->u.i != 0;
    case TV_FLOAT: return value->u.f != 0;
    case TV_STRING: return value->u.string->size > 0;
    case TV_LIST:
    case TV_TUPLE: return value->u.list->count > 0;
    case TV_DICT: return value->u.dict->count > 0;
    default: return true;
    }
}

bool medvl_tv_is_int(const struct medvl_tv *value)
{
    return value->kind == TV_INT || value->kind == TV_BOOL;
}

bool medvl_tv_is_number(const struct medvl_tv *value)
{
    return medvl_tv_is_int(value) || value->kind == TV_FLOAT;
}

int64_t medvl_tv_int_of(const struct medvl_tv *value)
{
    return value->kind == TV_BOOL ? value->u.truth : value->u.i;
}

double medvl_tv_float_of(const struct medvl_tv *value)
{
    return value->kind == TV_FLOAT ? value->u.f
                                   : (double)medvl_tv_int_of(value);
}

bool medvl_tv_is_list(const struct medvl_tv *value)
{
    return value->kind == TV_LIST || value->kind == TV_TUPLE;
}

bool medvl_tv_is_text(const struct medvl_tv *value, const char *text)
{
    const size_t size = strlen(text);

    return value->kind == TV_STRING && value->u.string->size == size &&
           !memcmp(value->u.string->data, text, size);
}

static int64_t count_characters(struct medvl_tv_string *s)
{
    if (s->length < 0) {
        int64_t count = 0;

        for (size_t i = 0; i < s->size; i++)
            count += (s->data[i] & 0xc0) != 0x80;
        s->length = count;
    }
    return s->length;
}

int medvl_tv_length(struct medvl_tv_heap *h, int64_t *out,
                    const struct medvl_tv *value)
{
    *out = 0;
    if (value->kind == TV_STRING)
        *out = count_characters(value->u.string);
    else if (medvl_tv_is_list(value))
        *out = (int64_t)value->u.list->count;
    else if (value->kind == TV_DICT)
        *out = (int64_t)value->u.dict->count;
    else if (value->kind != TV_UNDEFINED)
        return medvl_tv_fail(h, "a %s has no length",
                             medvl_tv_type_name(value));
    return MEDVL_OK;
}

size_t medvl_tv_offset(struct medvl_tv_string *s, int64_t index)
{
    size_t at = 0;

    if ((size_t)count_characters(s) == s->size)
        return (size_t)index;
    for (; at < s->size; at++)
        if ((s->data[at] & 0xc0) != 0x80 && index-- == 0)
            break;
    return at;
}

static int compare_strings(const struct medvl_tv_string *a,
                           const struct medvl_tv_string *b)
{
    const size_t size = a->size < b->size ? a->size : b->size;
    const int c = size ? memcmp(a->data, b->data, size) : 0;

    return c ? c : (a->size > b->size) - (a->size < b->size);
}

static int compare_numbers(const struct medvl_tv *a, const struct medvl_tv *b)
{
    if (medvl_tv_is_int(a) && medvl_tv_is_int(b)) {
        const int64_t x = medvl_tv_int_of(a), y = medvl_tv_int_of(b);

        return (x > y) - (x < y);
    }
    const double x = medvl_tv_float_of(a), y = medvl_tv_float_of(b);

    return (x > y) - (x < y);
}

static int equal_lists(struct medvl_tv_heap *h, bool *out,
                       const struct medvl_tv *a, const struct medvl_tv *b)
{
    const size_t count = a->u.list->count;
    int rc = medvl_tv_steps(h, count / 8);

    *out = rc == MEDVL_OK && count == b->u.list->count;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count && *out; i++) {
        rc = medvl_tv_equal(h, out, &a->u.list->items[i],
                            &b->u.list->items[i]);
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

static int equal_dicts(struct medvl_tv_heap *h, bool *out,
                       const struct medvl_tv *a, const struct medvl_tv *b)
{
    const struct medvl_tv_dict *d = a->u.dict;
    struct medvl_tv_pair *pair;
    int rc;

    *out = d->count == b->u.dict->count;
    for (size_t i = 0; i < d->count && *out; i++) {
        rc = medvl_tv_dict_find(h, &pair, b->u.dict, &d->pairs[i].key);
        if (rc < 0)
            return rc;
        *out = pair != NULL;
        if (pair)
            rc = medvl_tv_equal(h, out, &d->pairs[i].value, &pair->value);
        if (rc < 0)
            return rc;
    }
    return MEDVL_OK;
}

int medvl_tv_equal(struct medvl_tv_heap *h, bool *out,
                   const struct medvl_tv *a, const struct medvl_tv *b)
{
    int rc = MEDVL_OK;

    *out = false;
    if (medvl_tv_is_number(a) && medvl_tv_is_number(b)) {
        *out = compare_numbers(a, b) == 0 &&
               !(a->kind == TV_FLOAT && isnan(a->u.f)) &&
               !(b->kind == TV_FLOAT && isnan(b->u.f));
    } else if (a->kind != b->kind) {
        *out = false;
    } else if (a->kind == TV_STRING) {
        *out = !compare_strings(a->u.string, b->u.string);
        rc = medvl_tv_steps(h, a->u.string->size / 256);
    } else if (medvl_tv_is_list(a) || a->kind == TV_DICT) {
        rc = medvl_tv_enter(h);
        if (rc < 0)
            return rc;
        rc = a->kind == TV_DICT ? equal_dicts(h, out, a, b)
                                : equal_lists(h, out, a, b);
        h->depth--;
    } else {
        *out = a->kind <= TV_NONE || a->u.other == b->u.other;
    }
    return rc;
}

static int order_lists(struct medvl_tv_heap *h, int *out,
                       const struct medvl_tv *a, const struct medvl_tv *b)
{
    const struct medvl_tv_list *x = a->u.list, *y = b->u.list;
    bool same;
    int rc;

    for (size_t i = 0; i < x->count && i < y->count; i++) {
        rc = medvl_tv_equal(h, &same, &x->items[i], &y->items[i]);
        if (rc < 0)
            return rc;
        if (!same)
            return medvl_tv_order(h, out, &x->items[i], &y->items[i]);
    }
    *out = (x->count > y->count) - (x->count < y->count);
    return MEDVL_OK;
}

int medvl_tv_order(struct medvl_tv_heap *h, int *out,
                   const struct medvl_tv *a, const struct medvl_tv *b)
{
    int rc;

    if (medvl_tv_is_number(a) && medvl_tv_is_number(b)) {
        *out = compare_numbers(a, b);
        return MEDVL_OK;
    }
    if (a->kind == TV_STRING && b->kind == TV_STRING) {
        *out = compare_strings(a->u.string, b->u.string);
        return medvl_tv_steps(h, a->u.string->size / 256);
    }
    if (a->kind != b->kind || !medvl_tv_is_list(a))
        return medvl_tv_fail(h, "a %s and a %s have no order",
                             medvl_tv_type_name(a), medvl_tv_type_name(b));
    rc = medvl_tv_enter(h);
    if (rc < 0)
        return rc;
    rc = order_lists(h, out, a, b);
    h->depth--;
    return rc;
}

size_t medvl_tv_find(const struct medvl_tv_string *text, size_t from,
                     const struct medvl_tv_string *part)
{
    const char *p;

    if (from > text->size || part->size > text->size - from)
        return SIZE_MAX;
    if (part->size == 0)
        return from;
    p = memmem(text->data + from, text->size - from, part->data, part->size);
    return p ? (size_t)(p - text->data) : SIZE_MAX;
}

int medvl_tv_contains(struct medvl_tv_heap *h, bool *out,
                      const struct medvl_tv *item, const struct medvl_tv *box)
{
    struct medvl_tv_pair *pair;
    int rc = MEDVL_OK;

    *out = false;
    if (box->kind == TV_STRING) {
        if (item->kind != TV_STRING)
            return medvl_tv_fail(h, "\"in\" a str needs a str, not a %s",
                                 medvl_tv_type_name(item));
        *out = medvl_tv_find(box->u.string, 0, item->u.string) != SIZE_MAX;
        return medvl_tv_steps(h, box->u.string->size / 64);
    }
    if (box->kind == TV_DICT) {
        rc = medvl_tv_dict_find(h, &pair, box->u.dict, item);
        *out = pair != NULL;
        return rc;
    }
    if (box->kind == TV_UNDEFINED)
        return MEDVL_OK;
    if (!medvl_tv_is_list(box))
        return medvl_tv_fail(h, "nothing can be \"in\" a %s",
                             medvl_tv_type_name(box));
    for (size_t i = 0; i < box->u.list->count && rc == MEDVL_OK && !*out; i++)
        rc = medvl_tv_equal(h, out, &box->u.list->items[i], item);
    if (rc < 0)
        return rc;
    return medvl_tv_steps(h, box->u.list->count / 8);
}

static int characters(struct medvl_tv_heap *h, struct medvl_tv *out,
                      const struct medvl_tv_string *s)
{
    const size_t base = h->stack_size;
    struct medvl_tv one;
    size_t to;
    int rc;

    for (size_t at = 0; at < s->size; at = to) {
        to = at + 1;
        while (to < s->size && (s->data[to] & 0xc0) == 0x80)
            to++;
        rc = medvl_tv_cut(h, &one, s, at, to);
        if (rc == MEDVL_OK)
            rc = medvl_tv_push(h, one);
        if (rc < 0)
            return rc;
    }
    return medvl_tv_take(h, out, TV_LIST, base);
}

int medvl_tv_items(struct medvl_tv_heap *h, struct medvl_tv *out,
                   const struct medvl_tv *value)
{
    const size_t base = h->stack_size;
    int rc = MEDVL_OK;

    if (medvl_tv_is_list(value)) {
        *out = *value;
        return MEDVL_OK;
    }
    if (value->kind == TV_STRING)
        return characters(h, out, value->u.string);
    if (value->kind == TV_UNDEFINED)
        return medvl_tv_list(h, out, TV_LIST, NULL, 0);
    if (value->kind != TV_DICT)
        return medvl_tv_fail(h, "a %s is no sequence",
                             medvl_tv_type_name(value));
    for (size_t i = 0; i < value->u.dict->count && rc == MEDVL_OK; i++)
        rc = medvl_tv_push(h, value->u.dict->pairs[i].key);
    if (rc < 0)
        return rc;
    return medvl_tv_take(h, out, TV_LIST, base);
}

int medvl_tv_item(struct medvl_tv_heap *h, struct medvl_tv *out, bool *found,
                  const struct medvl_tv *value, const struct medvl_tv *key)
{
    struct medvl_tv_pair *pair;
    int64_t length, index;
    int rc;

    *found = false;
    if (value->kind == TV_DICT || value->kind == TV_NAMESPACE) {
        rc = medvl_tv_dict_find(h, &pair, value->u.dict, key);
        *found = pair != NULL;
        if (pair)
            *out = pair->value;
        return rc;
    }
    if (!medvl_tv_is_int(key) ||
        (value->kind != TV_STRING && !medvl_tv_is_list(value)))
        return MEDVL_OK;
    rc = medvl_tv_length(h, &length, value);
    if (rc < 0)
        return rc;
    index = medvl_tv_int_of(key);
    index += index < 0 ? length : 0;
    if (index < 0 || index >= length)
        return MEDVL_OK;
    *found = true;
    if (value->kind != TV_STRING) {
        *out = value->u.list->items[index];
        return MEDVL_OK;
    }
    rc = medvl_tv_steps(h, value->u.string->size / 64);
    if (rc < 0)
        return rc;
    return medvl_tv_cut(h, out, value->u.string,
                        medvl_tv_offset(value->u.string, index),
                        medvl_tv_offset(value->u.string, index + 1));
}
