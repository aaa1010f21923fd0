/*
 * A trie whose children stand side by side: a node knows where its first
 * one is and how many there are, and the labels are an array of bytes beside
 * the nodes.  It is made level by level from the sorted keys.
 *
 * Read next: unigram.c.
 */
#include "lib/text/trie.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"

struct node {
    uint32_t first; /* child */
    int32_t value;
    uint16_t count;
};

struct medvl_trie {
    struct node *nodes;
    unsigned char *labels; /* of the way to each node */
};

struct key {
    struct medvl_span bytes;
    int32_t value;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    const size_t size = x->bytes.size < y->bytes.size ? x->bytes.size
                                                      : y->bytes.size;
    const int order = memcmp(x->bytes.data, y->bytes.data, size);

    if (order)
        return order;
    if (x->bytes.size != y->bytes.size)
        return x->bytes.size < y->bytes.size ? -1 : 1;
    return x->value < y->value ? -1 : 1;
}

/* Nodes that a key needs beyond those of the key before it. */
static size_t new_nodes(const struct key *key, const struct key *before)
{
    size_t same = 0;

    while (before && same < key->bytes.size && same < before->bytes.size &&
           key->bytes.data[same] == before->bytes.data[same])
        same++;
    return key->bytes.size - same;
}

/* A level's keys: those of a node are [low, high). */
struct range {
    uint32_t low, high;
};

/*
 * Give the node at `at`, of this depth, its value and its children, which
 * are put behind `count`; returns the new count.
 */
static size_t fill_node(struct medvl_trie *trie, struct range *ranges,
                        const struct key *keys, size_t at, size_t depth,
                        size_t count)
{
    struct node *node = &trie->nodes[at];
    uint32_t low = ranges[at].low;
    const uint32_t high = ranges[at].high;

    node->value = -1;
    for (; low < high && keys[low].bytes.size == depth; low++)
        node->value = keys[low].value;
    node->first = (uint32_t)count;
    while (low < high) {
        const char label = keys[low].bytes.data[depth];
        uint32_t end = low + 1;

        while (end < high && keys[end].bytes.data[depth] == label)
            end++;
        trie->labels[count] = (unsigned char)label;
        ranges[count] = (struct range){low, end};
        count++;
        low = end;
    }
    node->count = (uint16_t)(count - node->first);
    return count;
}

static int build(struct medvl_trie *trie, const struct key *keys,
                 size_t count, size_t nodes, struct medvl_error *err)
{
    struct range *ranges = medvl_alloc(nodes, sizeof(*ranges));
    size_t made = 1;
    size_t at = 0;

    trie->nodes = medvl_alloc(nodes, sizeof(*trie->nodes));
    trie->labels = medvl_alloc(nodes, 1);
    if (!ranges || !trie->nodes || !trie->labels) {
        medvl_free(ranges);
        return medvl_no_memory(err);
    }
    ranges[0] = (struct range){0, (uint32_t)count};
    for (size_t depth = 0; at < made; depth++) {
        const size_t level = made;

        for (; at < level; at++)
            made = fill_node(trie, ranges, keys, at, depth, made);
    }
    medvl_free(ranges);
    return MEDVL_OK;
}

int medvl_trie_new(struct medvl_trie **out, const struct medvl_span *keys,
                   size_t count, struct medvl_error *err)
{
    struct medvl_trie *trie = medvl_alloc(1, sizeof(*trie));
    struct key *sorted = medvl_alloc(count, sizeof(*sorted));
    size_t used = 0;
    size_t nodes = 1;
    int rc = MEDVL_OK;

    *out = NULL;
    if (!trie || !sorted)
        rc = medvl_no_memory(err);
    else if (count > INT32_MAX)
        rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "too many keys");
    for (size_t i = 0; i < count && rc == MEDVL_OK; i++) {
        if (keys[i].size > 0)
            sorted[used++] = (struct key){keys[i], (int32_t)i};
    }
    if (rc == MEDVL_OK && used > 0)
        qsort(sorted, used, sizeof(*sorted), compare_keys);
    for (size_t i = 0; i < used && rc == MEDVL_OK; i++) {
        nodes += new_nodes(&sorted[i], i ? &sorted[i - 1] : NULL);
        if (nodes > INT32_MAX)
            rc = medvl_fail(err, MEDVL_EUNSUPPORTED, "keys over 2 GiB");
    }
    if (rc == MEDVL_OK)
        rc = build(trie, sorted, used, nodes, err);
    medvl_free(sorted);
    if (rc < 0) {
        medvl_trie_free(trie);
        return rc;
    }
    *out = trie;
    return MEDVL_OK;
}

void medvl_trie_free(struct medvl_trie *trie)
{
    if (!trie)
        return;
    medvl_free(trie->nodes);
    medvl_free(trie->labels);
    medvl_free(trie);
}

int32_t medvl_trie_step(const struct medvl_trie *trie, uint32_t *node,
                        unsigned char byte)
{
    const struct node *from = &trie->nodes[*node];
    const unsigned char *labels = trie->labels + from->first;
    const unsigned char *found;

    found = from->count ? memchr(labels, byte, from->count) : NULL;
    if (!found)
        return -2;
    *node = (uint32_t)(found - trie->labels);
    return trie->nodes[*node].value;
}

int32_t medvl_trie_longest(const struct medvl_trie *trie, size_t *size,
                           const char *data, size_t room)
{
    uint32_t node = MEDVL_TRIE_ROOT;
    int32_t best = -1;

    for (size_t i = 0; i < room; i++) {
        const int32_t value = medvl_trie_step(trie, &node,
                                              (unsigned char)data[i]);

        if (value == -2)
            break;
        if (value >= 0) {
            best = value;
            *size = i + 1;
        }
    }
    return best;
}
