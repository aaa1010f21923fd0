/*
 * lib/train/options: what is kept of a run's options, and what is refused.
 */
#include "tests/unit/check.h"

#include <unistd.h>

#include "lib/train/options.h"

static char path[64];

static int setup(void **state)
{
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/medvl-options-XXXXXX");
    fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static const char *const DATA[] = {"a.jsonl=2.5", "b \"c\""};
static const char *const BAD[] = {"b=c"};

/* No value is the default. */
static struct medvl_train_options unusual(void)
{
    return (struct medvl_train_options){
        .model = "m",
        .output = "run",
        .data = DATA,
        .data_count = 2,
        .eval = DATA + 1,
        .eval_count = 1,
        .train = "vision=2e-4",
        .rate = 1.0 / 3,
        .floor = 0.1,
        .warmup = 7,
        .epochs = 3,
        .steps = 11,
        .batch_tokens = 100,
        .accumulate = 5,
        .max_tokens = 99,
        .decay = 0.01,
        .beta1 = 0,
        .beta2 = 0.95,
        .eps = 1e-6,
        .clip = -1,
        .smoothing = 0.05,
        .dropout = 0.2,
        .average = 0.9999,
        .objective = "dense",
        .classes = "plane,species",
        .dense_label = 0,
        .dense_drawn = -1,
        .dense_field = 0.25,
        .recompute = true,
        .save_every = 12,
        .eval_every = 13,
        .keep = 14,
        .samples = 0,
        .best = "eval_loss",
        .seed = 9007199254740991,
        .device = "cuda",
        .balance = "kind"};
}

static void write_options(const struct medvl_train_options *options)
{
    struct medvl_error err = {0};
    struct medvl_text text = {0};

    CHECK_OK(medvl_train_options_write(&text, options, "0a", "1b", &err),
             &err);
    CHECK_OK(medvl_file_write(path, text.data, text.size, &err), &err);
    medvl_text_release(&text);
}

static void check_same(const struct medvl_train_options *a,
                       const struct medvl_train_options *b)
{
    struct medvl_train_options same = *a;

    /* Texts by content, then all the rest at once. */
    assert_string_equal(a->model, b->model);
    assert_string_equal(a->train, b->train);
    assert_string_equal(a->objective, b->objective);
    assert_string_equal(a->classes, b->classes);
    assert_string_equal(a->best, b->best);
    assert_string_equal(a->device, b->device);
    assert_string_equal(a->balance, b->balance);
    assert_int_equal(a->data_count, b->data_count);
    for (int64_t i = 0; i < a->data_count; i++)
        assert_string_equal(a->data[i], b->data[i]);
    assert_int_equal(a->eval_count, b->eval_count);
    assert_string_equal(a->eval[0], b->eval[0]);
    same.model = b->model;
    same.output = b->output;
    same.train = b->train;
    same.objective = b->objective;
    same.classes = b->classes;
    same.best = b->best;
    same.device = b->device;
    same.balance = b->balance;
    same.data = b->data;
    same.eval = b->eval;
    assert_memory_equal(&same, b, sizeof(same));
}

static void every_option_reads_back_the_same(void **state)
{
    struct medvl_train_options options;
    const struct medvl_train_options values = unusual();
    struct medvl_train_saved saved;
    struct medvl_error err = {0};

    (void)state;
    memset(&options, 0, sizeof(options));
    memcpy(&options, &values, sizeof(options));
    write_options(&options);
    CHECK_OK(medvl_train_saved_read(&saved, path, &err), &err);
    check_same(&options, &saved.options);
    assert_string_equal(saved.data_hash, "0a");
    assert_string_equal(saved.eval_hash, "1b");
    medvl_train_saved_release(&saved);
}

static void what_is_left_out_has_its_default(void **state)
{
    static const char text[] =
        "{\"options\":{\"model\":\"m\"},\"hashes\":{\"data\":\"0\"}}";
    struct medvl_train_options defaults;
    struct medvl_train_saved saved;
    struct medvl_error err = {0};

    (void)state;
    medvl_train_options_init(&defaults);
    CHECK_OK(medvl_file_write(path, text, sizeof(text) - 1, &err), &err);
    CHECK_OK(medvl_train_saved_read(&saved, path, &err), &err);
    assert_true(saved.options.beta2 == defaults.beta2);
    assert_int_equal(saved.options.samples, defaults.samples);
    assert_int_equal(saved.options.batch_tokens, defaults.batch_tokens);
    assert_null(saved.eval_hash);
    medvl_train_saved_release(&saved);
}

static void values_out_of_range_and_contradictions_are_refused(void **state)
{
    struct medvl_train_options good, o;
    struct medvl_error err = {0};

    (void)state;
    medvl_train_options_init(&good);
    good.model = "m";
    good.output = "run";
    good.data = DATA;
    good.data_count = 2;
    CHECK_OK(medvl_train_options_check(&good, &err), &err);
#define REFUSED(change, part)                                              \
    do {                                                                   \
        o = good;                                                          \
        change;                                                            \
        CHECK_FAILS(medvl_train_options_check(&o, &err), MEDVL_EARG, &err, \
                    part);                                                 \
    } while (0)
    REFUSED(o.accumulate = 0, "--accumulate");
    REFUSED(o.batch_tokens = -1, "--batch-tokens");
    REFUSED(o.epochs = 0, "--epochs");
    REFUSED(o.rate = NAN, "--lr");
    REFUSED(o.beta1 = 1, "--beta1");
    REFUSED(o.dropout = 1, "--dropout");
    REFUSED(o.eps = 0, "--epsilon");
    REFUSED(o.seed = -1, "--seed");
    REFUSED(o.best = "eval_loss", "--eval");
    REFUSED(o.objective = "dpo", "--objective");
    REFUSED(o.classes = "plane", "--classes");
    REFUSED((o.objective = "dense", o.balance = "x"), "--balance");
    REFUSED((o.objective = "dense", o.classes = "a,,b"), "--classes");
    REFUSED(o.output = NULL, "--output");
    REFUSED(o.train = "vision=abc", "\"abc\" is no number from 0 to 1000");
    REFUSED(o.train = "vision,head", "\"head\" is not vision, projector");
    REFUSED(o.train = "decoder,decoder", "--train: decoder stands twice");
    REFUSED((o.objective = "dense", o.train = "decoder"), "vision part alone");
    REFUSED((o.eval = BAD, o.eval_count = 1), "--eval: b=c: no such file");
    REFUSED((o.eval = DATA, o.eval_count = 1, o.best = "speed"),
            "--best is eval_loss or eval_accuracy");
#undef REFUSED
}

static void parts_have_their_own_rate_or_the_common_one(void **state)
{
    struct medvl_train_options o;
    struct medvl_error err = {0};
    double rates[MEDVL_TRAIN_PARTS];
    int mask;

    (void)state;
    medvl_train_options_init(&o);
    o.train = "decoder,vision=2e-4";
    CHECK_OK(medvl_train_options_parts(&mask, rates, &o, &err), &err);
    assert_int_equal(mask, MEDVL_PART_VISION | MEDVL_PART_DECODER);
    CHECK_CLOSE(rates[0], 2e-4, 0);
    CHECK_CLOSE(rates[2], 1e-4, 0);
    o.train = NULL;
    CHECK_OK(medvl_train_options_parts(&mask, rates, &o, &err), &err);
    assert_int_equal(mask, MEDVL_PART_VISION | MEDVL_PART_PROJECTOR |
                               MEDVL_PART_DECODER);
    o.objective = "dense";
    CHECK_OK(medvl_train_options_parts(&mask, rates, &o, &err), &err);
    assert_int_equal(mask, MEDVL_PART_VISION);
}

static void a_run_that_goes_on_takes_no_option_but_the_device(void **state)
{
    struct medvl_train_options none, o;
    struct medvl_error err = {0};

    (void)state;
    medvl_train_options_init(&none);
    o = none;
    o.device = "cuda";
    CHECK_OK(medvl_train_options_check_resume(&o, &err), &err);
    o.device = NULL;
    CHECK_OK(medvl_train_options_check_resume(&o, &err), &err);
#define REFUSED(change, part)                                     \
    do {                                                          \
        o = none;                                                 \
        change;                                                   \
        CHECK_FAILS(medvl_train_options_check_resume(&o, &err),   \
                    MEDVL_EARG, &err, part " takes its options"); \
    } while (0)
    REFUSED(o.rate = 1, "--lr: --resume");
    REFUSED(o.keep = 3, "--keep: --resume");
    REFUSED(o.steps = 3, "--steps: --resume");
    REFUSED(o.recompute = true, "--recompute: --resume");
    REFUSED(o.objective = "dense", "--objective: --resume");
    REFUSED(o.model = "m", "--model: --resume");
    REFUSED((o.data = DATA, o.data_count = 1), "--data: --resume");
    REFUSED(o.output = "run", "--output: --resume");
    REFUSED(o.dry_run = true, "--dry-run: --resume");
    REFUSED(o.seed = 3, "--seed: --resume");
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_option_reads_back_the_same,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_out_has_its_default,
                                        setup, teardown),
        cmocka_unit_test(values_out_of_range_and_contradictions_are_refused),
        cmocka_unit_test(parts_have_their_own_rate_or_the_common_one),
        cmocka_unit_test(a_run_that_goes_on_takes_no_option_but_the_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
