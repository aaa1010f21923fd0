/*
 * For tests of a training session: one open on a tiny model's decoder and
 * three records, in a folder of its own.
 */
#ifndef MEDVL_TESTS_SESSION_H
#define MEDVL_TESTS_SESSION_H

#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/train/session.h"

struct scene {
    struct medvl_session s;
    struct medvl_error err;
    char folder[64], data[96];
    const char *list[2];
};

static inline int scene_setup(void **state)
{
    static const char lines[] =
        "{\"id\":\"a\",\"tokens\":[1,2,3,4,5,6],\"kind\":1}\n"
        "{\"id\":\"b\",\"tokens\":[7,8,9,4,5,6],\"kind\":2}\n"
        "{\"id\":\"c\",\"tokens\":[9,9,3,2,1,6],\"kind\":1}\n";
    struct scene *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    *state = c;
    snprintf(c->folder, sizeof(c->folder), "/tmp/medvl-session-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    snprintf(c->data, sizeof(c->data), "%s/data.jsonl", c->folder);
    CHECK_OK(medvl_file_write(c->data, lines, sizeof(lines) - 1, &c->err),
             &c->err);
    c->list[0] = c->data;
    return 0;
}

static inline int scene_teardown(void **state)
{
    struct scene *c = *state;
    const int rc = medvl_path_remove(c->folder, NULL);

    medvl_session_release(&c->s);
    free(c);
    return rc;
}

/* Two steps an epoch, three epochs, evaluation on the same data. */
static inline struct medvl_train_options scene_options(struct scene *c)
{
    struct medvl_train_options o;

    medvl_train_options_init(&o);
    o.model = "tests/golden/models/llava";
    o.output = c->folder;
    o.data = o.eval = c->list;
    o.data_count = o.eval_count = 1;
    o.train = "decoder";
    o.rate = 1e-2;
    o.average = 0.5;
    o.batch_tokens = 12;
    o.epochs = 3;
    o.samples = 0;
    return o;
}

static inline void scene_open(struct scene *c,
                              const struct medvl_train_options *options)
{
    medvl_session_release(&c->s);
    c->s.options = *options;
    CHECK_OK(medvl_session_open(&c->s, options->model, &c->err), &c->err);
}

static inline struct medvl_session_report scene_step(struct scene *c)
{
    struct medvl_session_report report;

    CHECK_OK(medvl_session_step(&report, &c->s, &c->err), &c->err);
    return report;
}

#endif
