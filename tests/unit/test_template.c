/*
 * Templates: what Python's jinja2 gives (tests/golden/template.jsonl), the
 * marks of bytes, limits, and places in errors.
 */
#include "check.h"

#include "lib/base/file.h"
#include "lib/text/template.h"

#define GOLDEN "tests/golden/template.jsonl"

/* ---- goldens --------------------------------------------------------- */

struct golden {
    struct medvl_json_view record, line, context;
    struct medvl_text template, want, message;
    int number, bad;
};

static struct medvl_span text_of(struct medvl_text *out,
                                 const struct medvl_json_view *view,
                                 const char *name)
{
    struct medvl_error err = {0};
    const struct medvl_span json = medvl_json_view_get(view, name);

    medvl_text_clear(out);
    if (json.data)
        CHECK_OK(medvl_json_unescape(out, json, &err), &err);
    return medvl_text_span(out);
}

/* Compile and render; the code, with the text in `out`. */
static int render_on(const char *date, struct medvl_marked *out,
                     struct medvl_span template,
                     const struct medvl_json_view *variables,
                     const struct medvl_template_limits *limits,
                     struct medvl_error *err)
{
    struct medvl_template_run *run = NULL;
    struct medvl_template *t = NULL;
    int rc = medvl_template_compile(&t, template, err);

    if (rc == MEDVL_OK)
        rc = medvl_template_run_new(&run, limits, err);
    if (rc == MEDVL_OK) {
        medvl_template_begin(run);
        if (date)
            rc = medvl_template_set_date(run, medvl_span(date), err);
        if (variables && rc == MEDVL_OK)
            rc = medvl_template_set_members(run, variables, true, err);
    }
    if (rc == MEDVL_OK)
        rc = medvl_template_render(out, t, run, err);
    medvl_template_free(t);
    medvl_template_run_free(run);
    return rc;
}

static int render(struct medvl_marked *out, struct medvl_span template,
                  const struct medvl_json_view *variables,
                  const struct medvl_template_limits *limits,
                  struct medvl_error *err)
{
    return render_on(NULL, out, template, variables, limits, err);
}

static void replay(struct golden *g)
{
    const struct medvl_json_view *line = &g->line;
    const struct medvl_span context = medvl_json_view_get(line, "context");
    const struct medvl_span want = text_of(&g->want, line, "out");
    const struct medvl_span message = text_of(&g->message, line, "message");
    const bool fails = medvl_json_view_get(&g->line, "error").data;
    struct medvl_marked out = {0};
    struct medvl_error err = {0};
    int rc;

    if (context.data)
        CHECK_OK(medvl_json_view_object(&g->context, context, &err), &err);
    rc = render_on("2024-07-06T08:05:09", &out,
                   text_of(&g->template, &g->line, "template"),
                   context.data ? &g->context : &g->record, NULL, &err);
    if (fails != (rc < 0) ||
        (fails && message.size && !strstr(err.text, message.data)) ||
        (!fails && !medvl_span_equal(want, medvl_text_span(&out.text)))) {
        print_error("line %d: %s\n  gives %s\n  not   %s\n", g->number,
                    g->template.data, rc < 0 ? err.text : out.text.data,
                    fails ? "(an error)" : want.data);
        g->bad++;
    }
    medvl_marked_release(&out);
}

static void renderings_are_those_of_jinja2(void **state)
{
    struct golden g = {0};
    struct medvl_error err = {0};
    struct medvl_text file = {0};
    struct medvl_span line;
    const char *at, *end, *next;

    (void)state;
    CHECK_OK(medvl_file_read(&file, GOLDEN, 1 << 24, &err), &err);
    end = file.data + file.size;
    for (at = file.data; at < end; at = next + 1) {
        next = memchr(at, '\n', (size_t)(end - at));
        assert_non_null(next);
        line = (struct medvl_span){at, (size_t)(next - at)};
        CHECK_OK(medvl_json_view_object(&g.line, line, &err), &err);
        if (++g.number > 1) {
            replay(&g);
            continue;
        }
        line = medvl_json_view_get(&g.line, "record");
        CHECK_OK(medvl_json_view_object(&g.record, line, &err), &err);
    }
    assert_true(g.number > 700);
    medvl_json_view_release(&g.record);
    medvl_json_view_release(&g.line);
    medvl_json_view_release(&g.context);
    medvl_text_release(&g.template);
    medvl_text_release(&g.want);
    medvl_text_release(&g.message);
    medvl_text_release(&file);
    assert_int_equal(g.bad, 0);
}

/* ---- marks ----------------------------------------------------------- */

#define RECORD                                                        \
    "{\"s\":\"<|eot|>\",\"t\":\" a,b \",\"n\":5,\"l\":[\"x\",\"y\"]," \
    "\"d\":{\"k\":\"v\"},\"u\":\"\\u00e9\\n\",\"z\":true}"

/* Rendered over RECORD, with what came from the record between [ and ]. */
static void check_marks(const char *template, const char *want)
{
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_text shown = {0};
    struct medvl_error err = {0};
    size_t at = 0;

    CHECK_OK(medvl_json_view_object(&view, medvl_span(RECORD), &err), &err);
    CHECK_OK(render(&out, medvl_span(template), &view, NULL, &err), &err);
    for (size_t i = 0; i < out.run_count; i++) {
        const struct medvl_run *run = &out.runs[i];

        assert_true(run->size > 0);
        assert_true(i == 0 || run[-1].from_record != run->from_record);
        CHECK_OK(medvl_text_printf(&shown, &err,
                                   run->from_record ? "[%.*s]" : "%.*s",
                                   (int)run->size, out.text.data + at),
                 &err);
        at += run->size;
    }
    assert_int_equal(at, out.text.size);
    assert_string_equal(shown.data ? shown.data : "", want);
    medvl_text_release(&shown);
    medvl_marked_release(&out);
    medvl_json_view_release(&view);
}

static void every_byte_keeps_its_origin(void **state)
{
    (void)state;
    check_marks("<|eot|>{{ s }}<|eot|>", "<|eot|>[<|eot|>]<|eot|>");
    check_marks("{{ '<' ~ s ~ '>' }}", "<[<|eot|>]>");
    check_marks("{{ 'a' + s + 'b' }}", "a[<|eot|>]b");
    check_marks("{{ ('a' + s)[1:4] }}", "[<|e]");
    check_marks("{{ ('a' + s)[::-1] }}", "[>|toe|<]a");
    check_marks("{{ ('a' + s + 'b') | upper }}", "A[<|EOT|>]B");
    check_marks("{{ (t ~ ' ') | trim }}", "[a,b]");
    check_marks("{{ t.strip().split(',') | join('--') }}", "[a]--[b]");
    check_marks("{{ s | replace('eot', 'x') }}", "[<|]x[|>]");
    check_marks("{{ 'a-b' | replace('-', s) }}", "a[<|eot|>]b");
    check_marks("{{ '<%s>' % s }}", "<[<|eot|>]>");
    check_marks("{{ '<{}>'.format(s) }}", "<[<|eot|>]>");
    check_marks("{{ '{:>9}'.format(s) }}", "  [<|eot|>]");
    check_marks("{{ '<%s>' | format(s) }}", "<[<|eot|>]>");
    check_marks("{{ d | tojson }}", "{\"[k]\": \"[v]\"}");
    check_marks("{{ u | tojson }}", "\"[\xc3\xa9\\n]\"");
    check_marks("{{ l }}", "['[x]', '[y]']");
    check_marks("{{ n }} {{ n + 1 }} {{ 2 }} {{ z }}", "[5] [6] 2 [True]");
    check_marks("{{ l | join(s) }}", "[x<|eot|>y]");
    check_marks("{{ l | join('\\n') | indent(2) }}", "[x]\n  [y]");
    check_marks("{{ s.title() }}{{ s.center(9, '*') }}",
                "[<|Eot|>]*[<|eot|>]*");
    check_marks("{% set x %}a{{ s }}{% endset %}{{ x * 2 }}",
                "a[<|eot|>]a[<|eot|>]");
    check_marks("{% macro m(x) %}({{ x }}){% endmacro %}{{ m(s) | lower }}",
                "([<|eot|>])");
    check_marks("{% filter upper %}a{{ s }}{% endfilter %}", "A[<|EOT|>]");
    check_marks("{% for c in 'a' ~ l[0] %}{{ c }}.{% endfor %}", "a.[x].");
    check_marks("{{ ('a' ~ s) | e }}", "a[&lt;|eot|&gt;]");
    check_marks("{{ ('long ' ~ s) | truncate(8, true, '!', 0) }}",
                "long [<|]!");
    check_marks("{{ s | length }}{{ s == '<|eot|>' }}", "7True");
    check_marks("{{ '<|eot|>' }}{{ {'a': s}.a }}", "<|eot|>[<|eot|>]");
    check_marks("{{ s | list | sort | join }}", "[<>eot||]");
    check_marks("{{ (s ~ 'q') | reverse }}", "q[>|toe|<]");
}

static void variables_say_where_they_are_from(void **state)
{
    struct medvl_template_run *run;
    struct medvl_template *t;
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_template_compile(&t, medvl_span("{{ a }}{{ b }}{{ c.d }}"
                                                   "{{ 1 if e }}"),
                                    &err),
             &err);
    assert_true(medvl_template_mentions(t, "a"));
    assert_false(medvl_template_mentions(t, "d"));
    CHECK_OK(medvl_template_run_new(&run, NULL, &err), &err);
    for (int i = 0; i < 3; i++) {
        medvl_template_begin(run);
        CHECK_OK(medvl_template_set_text(run, "a", medvl_span("no"), true,
                                         &err),
                 &err);
        CHECK_OK(medvl_template_set_text(run, "a", medvl_span("<s>"), false,
                                         &err),
                 &err);
        CHECK_OK(medvl_template_set_text(run, "b", medvl_span("x"), true,
                                         &err),
                 &err);
        CHECK_OK(medvl_template_set_json(run, "c", medvl_span("{\"d\":[1]}"),
                                         false, &err),
                 &err);
        CHECK_OK(medvl_template_set_bool(run, "e", i == 0, &err), &err);
        medvl_marked_clear(&out);
        CHECK_OK(medvl_template_render(&out, t, run, &err), &err);
        assert_string_equal(out.text.data, i ? "<s>x[1]" : "<s>x[1]1");
        assert_int_equal(out.run_count, 3);
        assert_false(out.runs[0].from_record);
        assert_true(out.runs[1].from_record);
    }
    medvl_template_begin(run);
    CHECK_FAILS(medvl_template_render(&out, t, run, &err), MEDVL_EFORMAT,
                &err, "line 1, column 19: \"c\" is undefined");
    assert_string_equal(out.text.data, "<s>x[1]");
    medvl_template_free(t);
    medvl_template_run_free(run);
    medvl_marked_release(&out);
}

/* ---- expressions ----------------------------------------------------- */

static bool truth(const char *expression, const char *record)
{
    struct medvl_json_view view = {0};
    struct medvl_template_run *run;
    struct medvl_template *t;
    struct medvl_error err = {0};
    bool is = false;

    CHECK_OK(medvl_json_view_object(&view, medvl_span(record), &err), &err);
    CHECK_OK(medvl_template_compile_expression(&t, medvl_span(expression),
                                               &err),
             &err);
    CHECK_OK(medvl_template_run_new(&run, NULL, &err), &err);
    medvl_template_begin(run);
    CHECK_OK(medvl_template_set_members(run, &view, true, &err), &err);
    CHECK_OK(medvl_template_truth(&is, t, run, &err), &err);
    medvl_template_free(t);
    medvl_template_run_free(run);
    medvl_json_view_release(&view);
    return is;
}

static void an_expression_has_a_truth(void **state)
{
    const char *record = "{\"images\":[{\"slice\":37}],\"e\":\"\",\"n\":0}";

    (void)state;
    assert_true(truth("(images[0].slice % 32) < 16", record));
    assert_false(truth("images[0].slice % 32 < 5", record));
    assert_true(truth("answer is not defined", record));
    assert_false(truth("answer", record));
    assert_false(truth("e or n", record));
    assert_true(truth("images", record));
    assert_true(truth("1 in [1] and 'a' in 'ab'", record));
}

/* ---- errors and limits ----------------------------------------------- */

static void fails(const char *template, const char *part)
{
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_json_view_object(&view, medvl_span(RECORD), &err), &err);
    CHECK_FAILS(render(&out, medvl_span(template), &view, NULL, &err),
                MEDVL_EFORMAT, &err, part);
    assert_int_equal(out.text.size, 0);
    medvl_marked_release(&out);
    medvl_json_view_release(&view);
}

static void errors_name_line_and_column(void **state)
{
    (void)state;
    fails("a\nb {{ n + }}", "line 2, column 10: \"}}\" where a value is");
    fails("{% if n %}\n\n{% else %}x", "line 3, column 12: the template ends");
    fails("\xc3\xa9\xc3\xa9 {{ missing.x }}",
          "line 1, column 14: \"missing\" is undefined");
    fails("{{ s | nofilter }}", "line 1, column 8: no filter \"nofilter\"");
    fails("{{ s is notest }}", "no test \"notest\"");
    fails("{% nothing %}", "line 1, column 4: \"nothing\" where a statement");
    fails("\n{{ 'abc }}", "line 2, column 4: string is not closed");
    fails("{{ n / 0 }}", "line 1, column 6: division by zero");
    fails("{{ d.k.nope.x }}", "\"nope\" is undefined");
    fails("{{ s.append(1) }}", "\"append\" is undefined");
    fails("{{ l.append(1) }}", "a template cannot change a list");
    fails("{{ raise_exception('because ' ~ n) }}", "because 5");
    fails("{{ strftime_now('%Y') }}", "\"strftime_now\" is undefined");
    fails("{{ 1 ", "tag is not closed");
    fails("{{ s.replace('a') }}", "replace needs 2 arguments");
    fails("{{ l | join(',', zz=1) }}", "argument \"zz\" is unknown");
    fails("{{ range(*n) }}", "line 1, column 9: a int is no sequence");
    fails("{{ range(**n) }}", "arguments by ** need a dict, not a int");
    fails("{{ range(**{1: 2}) }}", "an argument's name is a int");
    fails("{{ dict(a=1, **{'a': 2}) }}", "\"a\" is given twice");
    fails("{{ range(*l, 2) }}", "an argument without name behind");
    fails("{% break %}", "\"break\" outside of a loop");
    fails("\xff", "byte 1 of the template is not UTF-8");
}

/* No clock: the date is what the caller says, and no other. */
static void the_clock_stands(void **state)
{
    static const char *const NOT[] = {
        "", "today", "2024-7-26", "2024-07-32", "2023-02-29", "2024-07-26T08",
        "2024-07-26T08:30", "2024-07-26T24:00:00", "2024-07-26 08:30:00",
        "0999-01-01", "-024-07-26", "2024-07-26T08:30:00Z", "2024-07- 6"};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(render_on("2024-02-29", &out,
                       medvl_span("{{ strftime_now('%c') }}"), NULL, NULL,
                       &err),
             &err);
    assert_string_equal(out.text.data, "Thu Feb 29 00:00:00 2024");
    medvl_marked_release(&out);
    for (size_t i = 0; i < sizeof(NOT) / sizeof(NOT[0]); i++)
        CHECK_FAILS(render_on(NOT[i], &out, medvl_span("x"), NULL, NULL, &err),
                    MEDVL_EFORMAT, &err, "is no date such as 2024-07-26");
    CHECK_FAILS(render_on("2024-02-29", &out,
                          medvl_span("{{ strftime_now('%s') }}"), NULL, NULL,
                          &err),
                MEDVL_EFORMAT, &err, "%s is not known here");
    CHECK_FAILS(render_on("2024-02-29", &out,
                          medvl_span("{{ strftime_now('%-10Es') }}"), NULL,
                          NULL, &err),
                MEDVL_EFORMAT, &err, "%s is not known here");
    CHECK_FAILS(render_on("2024-02-29", &out,
                          medvl_span("{{ strftime_now('%099999999d') }}"),
                          NULL, NULL, &err),
                MEDVL_EFORMAT, &err, "strftime_now: more than");
    CHECK_FAILS(render_on("2024-02-29", &out,
                          medvl_span("{{ strftime_now('%Y\\x00') }}"), NULL,
                          NULL, &err),
                MEDVL_EFORMAT, &err, "strftime_now: a zero byte");
    assert_int_equal(out.text.size, 0);
}

/* A date in a form that the record has is the record's. */
static void the_clocks_text_keeps_its_origin(void **state)
{
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_json_view_object(&view, medvl_span(RECORD), &err), &err);
    CHECK_OK(render_on("2024-02-29", &out,
                       medvl_span("{{ strftime_now('%d') }}"
                                  "{{ strftime_now(s) }}"
                                  "{{ strftime_now('%m' ~ s) }}"),
                       &view, NULL, &err),
             &err);
    assert_string_equal(out.text.data, "29<|eot|>02<|eot|>");
    assert_int_equal(out.run_count, 2);
    assert_int_equal(out.runs[0].size, 2);
    assert_false(out.runs[0].from_record);
    assert_true(out.runs[1].from_record);
    medvl_marked_release(&out);
    medvl_json_view_release(&view);
}

static void check_text(const char *template, const char *want)
{
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    CHECK_OK(medvl_json_view_object(&view, medvl_span(RECORD), &err), &err);
    CHECK_OK(render(&out, medvl_span(template), &view, NULL, &err), &err);
    assert_string_equal(out.text.data, want);
    medvl_marked_release(&out);
    medvl_json_view_release(&view);
}

/* medvl's own filter: jinja2 has none like it. */
static void places_are_put_on_grids(void **state)
{
    static const char *const PAIRS[][2] = {
        {"{{ [0, 0, 336, 112] | coordinates(336, 224, 999) }}",
         "[0, 0, 999, 500]"},
        {"{{ [33.6, 223.99] | coordinates(336, 224, 999) }}", "[100, 999]"},
        {"{{ [33.6, 56] | coordinates(336, 224, 100) }}", "[10.0, 25.0]"},
        {"{{ [1, 2, 3, 4] | coordinates(3, 7, 1) | join(' ') }}",
         "0.333 0.286 1.0 0.571"},
        {"{{ [-5, 9, 9, 10] | coordinates(8, 8, 1) }}",
         "[0.0, 1.0, 1.0, 1.0]"},
        {"{{ [] | coordinates(8, 8, 1) }}", "[]"},
        {"{% for p in [[1, 2], [3, 4]] | map('coordinates', 8, 8, 999) %}"
         "{{ p }}{% endfor %}",
         "[125, 250][375, 500]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(*PAIRS); i++)
        check_text(PAIRS[i][0], PAIRS[i][1]);
    fails("{{ [1, 2] | coordinates(8, 8, 10) }}", "the scale is 1, 100 or");
    fails("{{ [1, 2] | coordinates(8, 8) }}", "needs 3 arguments");
    fails("{{ [1, 2] | coordinates(0, 8, 1) }}", "width must be above 0");
    fails("{{ [1, 2, 3] | coordinates(8, 8, 1) }}", "x, y, x, y");
    fails("{{ [1, 'a'] | coordinates(8, 8, 1) }}", "a place of str");
    fails("{{ nobox | coordinates(8, 8, 1) }}", "x, y, x, y");
}

static void loops_and_memory_are_limited(void **state)
{
    (void)state;
    fails("{% for i in range(100000) %}{% for j in range(100000) %}"
          "{% endfor %}{% endfor %}",
          "");
    fails("{{ range(100001) }}", "range: more than 100000");
    fails("{{ 'x' * 1000000000 }}", "more than 268435456 bytes");
    fails("{{ [0] * 1000000000 }}", "more than 268435456 bytes");
    fails("{{ 'x'.center(1000000000) }}", "more than 268435456 bytes");
    fails("{{ '%1000000000d' % 1 }}", "more than 268435456 bytes");
    fails("{{ '{:1000000000}'.format(1) }}", "bytes");
    fails("{% set ns = namespace(x='ab') %}{% for i in range(90000) %}"
          "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
          "bytes");
    fails("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "levels deep");
    fails("{% set ns = namespace(x=[]) %}{% for i in range(5000) %}"
          "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
          "levels deep");
    fails("{% for x in [[[]]] recursive %}{{ loop([x]) }}{% endfor %}",
          "levels deep");
    fails("{{ 9223372036854775807 + 1 }}", "does not fit 64 bits");
    fails("{{ 3 ** 64 }}", "does not fit 64 bits");
    fails("{{ (0 - 9223372036854775807 - 1) // -1 }}", "64 bits");
    fails("{{ 10.0 ** 400 }}", "the result is no number");
}

/* `count` times `open`, `middle`, `count` times `close`. */
/* A loop over long text ends though none of its steps makes a value. */
static void long_text_costs_steps(void **state)
{
    static const char *const BODIES[] = {
        "{% if s == t %}{% endif %}",
        "{% if s < t %}{% endif %}",
        "{% set x = s.isdigit() %}",
        "{% set x = s.startswith(s) %}",
        "{% set x = 'a'.startswith(s) %}",
        "{% set x = s | wordcount %}",
        "{% set x = d[s] %}",
        "{% set x = s.strip('abcd' * 1000) %}"};
    const struct medvl_template_limits limits = {.steps = 100000};

    (void)state;
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        struct medvl_marked out = {0};
        struct medvl_error err = {0};
        char text[300];

        snprintf(text, sizeof(text), "{%% set s = 'a' * 100000 %%}{%% set t "
                                     "= s ~ '' %%}{%% set d = {t: 1} %%}{%% "
                                     "for i in range(10000) %%}%s{%% endfor "
                                     "%%}",
                 BODIES[i]);
        CHECK_FAILS(render(&out, medvl_span(text), NULL, &limits, &err),
                    MEDVL_EFORMAT, &err, "stopped after 100000 steps");
        medvl_marked_release(&out);
    }
}

/* Of each character that is taken away, as many as may be taken. */
static void long_ends_to_strip_cost_steps(void **state)
{
    const struct medvl_template_limits limits = {.steps = 100000};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(render(&out, medvl_span("{% set s = 'a' * 90000 %}"
                                     "{{ s.strip('b' * 4000) | length }}"),
                    NULL, &limits, &err),
             &err);
    CHECK_FAILS(render(&out, medvl_span("{% set s = 'a' * 90000 %}"
                                        "{{ s.strip('a' ~ 'b' * 4000) }}"),
                       NULL, &limits, &err),
                MEDVL_EFORMAT, &err, "stopped after 100000 steps");
    medvl_marked_release(&out);
}

static void nested_fails(const char *open, const char *middle,
                         const char *close, int count)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    for (int i = 0; i < count; i++)
        CHECK_OK(medvl_text_puts(&text, open, &err), &err);
    CHECK_OK(medvl_text_puts(&text, middle, &err), &err);
    for (int i = 0; i < count; i++)
        CHECK_OK(medvl_text_puts(&text, close, &err), &err);
    fails(text.data, "");
    medvl_text_release(&text);
}

static void nesting_without_end_is_refused(void **state)
{
    (void)state;
    nested_fails("{{ (", "1", ") }}", 100000);
    nested_fails("{% if n %}", "", "{% endif %}", 100000);
    nested_fails("{{ not ", "", "", 100000);
    nested_fails("{{", "", "", 100000);
    nested_fails("{% for x in l %}", "", "", 100000);
    nested_fails("{% set (", "a", ") = 1 %}", 100000);
}

static void long_chains_end_in_an_error_not_a_crash(void **state)
{
    struct medvl_text text = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_text_puts(&text, "{{ 1", &err), &err);
    for (int i = 0; i < 50000; i++)
        CHECK_OK(medvl_text_puts(&text, " + 1", &err), &err);
    CHECK_OK(medvl_text_puts(&text, " }}", &err), &err);
    fails(text.data, "levels deep");
    medvl_text_clear(&text);
    CHECK_OK(medvl_text_puts(&text, "{{ ", &err), &err);
    for (int i = 0; i < 50000; i++)
        CHECK_OK(medvl_text_puts(&text, "-", &err), &err);
    CHECK_OK(medvl_text_puts(&text, "1 }}", &err), &err);
    fails(text.data, "levels deep");
    medvl_text_clear(&text);
    CHECK_OK(medvl_text_puts(&text, "{{ [['a']] | map('map'", &err), &err);
    for (int i = 0; i < 50000; i++)
        CHECK_OK(medvl_text_puts(&text, ", 'map'", &err), &err);
    CHECK_OK(medvl_text_puts(&text, ") }}", &err), &err);
    fails(text.data, "levels deep");
    medvl_text_release(&text);
}

static void limits_can_be_set(void **state)
{
    const struct medvl_template_limits few = {.steps = 100};
    const struct medvl_template_limits flat = {.depth = 3};
    const struct medvl_template_limits small = {.memory = 10000};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_FAILS(render(&out, medvl_span("{% for i in range(200) %}"
                                        "{% endfor %}"),
                       NULL, &few, &err),
                MEDVL_EFORMAT, &err, "stopped after 100 steps");
    CHECK_FAILS(render(&out, medvl_span("{{ ((1 + 2) * 3) - 4 }}"), NULL,
                       &flat, &err),
                MEDVL_EFORMAT, &err, "more than 3 levels deep");
    CHECK_FAILS(render(&out, medvl_span("{{ 'ab' * 9000 }}"), NULL, &small,
                       &err),
                MEDVL_EFORMAT, &err, "more than 10000 bytes");
    medvl_marked_release(&out);
}

/* Every prefix of every golden template compiles or fails, no more. */
static void cut_templates_do_no_harm(void **state)
{
    static const char *const WHOLE[] = {
        "{% for a, b in d.items() if a != 'x' recursive -%} {{ a|upper }}"
        "{% else %}{{ loop.index }}{%- endfor %}",
        "{% macro f(a, b=[1, {'k': 2.5e3}]) %}{{ a[1:-1:2] }}{% endmacro %}"
        "{% call(x) f(1, b='\\u00e9\\x41\\101') %}{{ x }}{% endcall %}",
        "{% raw %}{{ x }}{% endraw %}{# c #}{% set a.b = 1 %}{% with q=1 %}"
        "{% endwith %}{% filter join('-') %}ab{% endfilter %}",
        "{{ '{:>10.2f}|{0[k]}'.format(1.5, d) ~ '%(k)s %%' % d }}"};
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};
    int done = 0;

    (void)state;
    CHECK_OK(medvl_json_view_object(&view, medvl_span(RECORD), &err), &err);
    for (size_t i = 0; i < sizeof(WHOLE) / sizeof(WHOLE[0]); i++)
        for (size_t n = strlen(WHOLE[i]) + 1; n-- > 0;) {
            char *exact = malloc(n ? n : 1); /* for the sanitizer */

            assert_non_null(exact);
            memcpy(exact, WHOLE[i], n);
            done += render(&out, (struct medvl_span){exact, n}, &view, NULL,
                           &err) == MEDVL_OK;
            free(exact);
        }
    assert_true(done > 4);
    medvl_marked_release(&out);
    medvl_json_view_release(&view);
}

static void bad_json_of_a_variable_is_an_error(void **state)
{
    static const char *const BAD[] = {
        "", "[", "[1", "[1,", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "\"a",
        "\"a\\", "\"\\u12", "\"\\u0000\"", "\"\\ud800\"", "nul", "1x", "-",
        "1e999", "9223372036854775808", "[1]2", "{1:2}", "[,]"};
    struct medvl_template_run *run;
    struct medvl_template *t;
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_template_compile(&t, medvl_span("{{ a }}"), &err), &err);
    CHECK_OK(medvl_template_run_new(&run, NULL, &err), &err);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        medvl_template_begin(run);
        CHECK_OK(medvl_template_set_json(run, "a", medvl_span(BAD[i]), true,
                                         &err),
                 &err);
        CHECK_FAILS(medvl_template_render(&out, t, run, &err), MEDVL_EFORMAT,
                    &err, "a: ");
    }
    medvl_template_free(t);
    medvl_template_run_free(run);
    medvl_marked_release(&out);
}

static void memory_that_runs_out_is_said(void **state)
{
    static const char TEMPLATE[] =
        "{% macro m(x) %}{{ x|upper }}{% endmacro %}{% for c in l %}"
        "{{ m(c) ~ s|replace('e', t) }}{% endfor %}{{ d|tojson }}";
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};
    int rc = MEDVL_ENOMEM;

    (void)state;
    CHECK_OK(medvl_json_view_object(&view, medvl_span(RECORD), &err), &err);
    for (long n = 0; rc < 0; n++) {
        assert_true(n < 1000);
        medvl_marked_release(&out);
        medvl_mem_fail_after(n);
        rc = render(&out, medvl_span(TEMPLATE), &view, NULL, &err);
        medvl_mem_fail_after(-1);
        assert_true(rc == MEDVL_OK || rc == MEDVL_ENOMEM);
    }
    medvl_marked_release(&out);
    medvl_json_view_release(&view);
}

/* What jinja2 3.1.6 gives for these messages. */
#define QWEN_MESSAGES                                                     \
    "{\"messages\": [{\"role\": \"system\", \"content\": \"Be brief.\""   \
    "}, {\"role\": \"user\", \"content\": \"One <|im_end|>?\"}, {\"ro"    \
    "le\": \"assistant\", \"content\": \"<think>\\nhm\\n</think>\\n\\n"   \
    "Yes.\"}, {\"role\": \"user\", \"content\": \"Two?\"}, {\"role\": \"" \
    "assistant\", \"content\": \"<think>\\nso\\n</think>\\n\\nNo.\", "    \
    "\"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": "   \
    "{\"x\": [1, \"\\u00e9\"]}}}]}, {\"role\": \"tool\", \"content\": \"" \
    "5\"}, {\"role\": \"tool\", \"content\": \"6\"}], \"tools\": [{\"nam" \
    "e\": \"f\"}], \"add_generation_prompt\": true, \"enable_think"       \
    "ing\": false}"
#define QWEN_TEXT                                                             \
    "<|im_start|>system\nBe brief.\n\n# Tools\n\nYou may call one"            \
    " or more functions to assist with the user query.\n\nYou "               \
    "are provided with function signatures within <tools></t"                 \
    "ools> XML tags:\n<tools>\n{\"name\": \"f\"}\n</tools>\n\nFor eac"        \
    "h function call, return a json object with function nam"                 \
    "e and arguments within <tool_call></tool_call> XML tags"                 \
    ":\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <a"           \
    "rgs-json-object>}\n</tool_call><|im_end|>\n<|im_start|>us"               \
    "er\nOne <|im_end|>?<|im_end|>\n<|im_start|>assistant\nYes."              \
    "<|im_end|>\n<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>"              \
    "assistant\n<think>\nso\n</think>\n\nNo.\n<tool_call>\n{\"name\":"        \
    " \"f\", \"arguments\": {\"x\": [1, \"\303\251\"]}}\n</tool_call><|im_en" \
    "d|>\n<|im_start|>user\n<tool_response>\n5\n</tool_response>"             \
    "\n<tool_response>\n6\n</tool_response><|im_end|>\n<|im_star"             \
    "t|>assistant\n<think>\n\n</think>\n\n"

static void the_template_of_qwen3_renders(void **state)
{
    const char *data = getenv("MEDVL_DATA");
    struct medvl_json_view config = {0}, view = {0};
    struct medvl_text file = {0}, path = {0}, source = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};

    (void)state;
    if (!data) {
        print_message("skipped: MEDVL_DATA is not set\n");
        skip();
    }
    CHECK_OK(medvl_text_printf(&path, &err,
                               "%s/tokenizers/qwen3/tokenizer_config.json",
                               data),
             &err);
    CHECK_OK(medvl_file_read(&file, path.data, 1 << 20, &err), &err);
    CHECK_OK(medvl_json_view_object(&config, medvl_text_span(&file), &err),
             &err);
    text_of(&source, &config, "chat_template");
    CHECK_OK(medvl_json_view_object(&view, medvl_span(QWEN_MESSAGES), &err),
             &err);
    CHECK_OK(render(&out, medvl_text_span(&source), &view, NULL, &err), &err);
    assert_string_equal(out.text.data, QWEN_TEXT);
    medvl_json_view_release(&config);
    medvl_json_view_release(&view);
    medvl_text_release(&file);
    medvl_text_release(&path);
    medvl_text_release(&source);
    medvl_marked_release(&out);
}

static void compares(const char *expression, const char *want)
{
    struct medvl_template *t;
    struct medvl_text got = {0};
    struct medvl_error err = {0};
    const char *names[3];
    int count;

    CHECK_OK(medvl_template_compile_expression(&t, medvl_span(expression),
                                               &err),
             &err);
    count = medvl_template_compared(t, names, 3);
    CHECK_OK(medvl_text_puts(&got, "", &err), &err);
    for (int i = 0; i < count; i++)
        CHECK_OK(medvl_text_printf(&got, &err, "%s ", names[i]), &err);
    assert_string_equal(got.data ? got.data : "", want);
    medvl_text_release(&got);
    medvl_template_free(t);
}

static void an_expression_says_what_it_compares(void **state)
{
    struct medvl_text deep = {0};
    struct medvl_error err = {0};

    (void)state;
    compares("split==test", "split test ");
    compares("a == 1 and not b or c != a", "a c ");
    compares("a in [x, y]", "a x y ");
    compares("a.m[i] < 3", "a i ");
    compares("a|length > 2 and b(c) == 1 and x == 'y'", "x ");
    compares("a is defined and a == 1 and b == 1", "b ");
    compares("a", "");
    compares("a == b == c == d == e", "a b c ");
    CHECK_OK(medvl_text_puts(&deep, "1", &err), &err);
    for (int i = 0; i < 50000; i++)
        CHECK_OK(medvl_text_puts(&deep, " + 1", &err), &err);
    CHECK_OK(medvl_text_puts(&deep, " == x", &err), &err);
    compares(deep.data, "x ");
    medvl_text_release(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_says_what_it_compares),
        cmocka_unit_test(renderings_are_those_of_jinja2),
        cmocka_unit_test(every_byte_keeps_its_origin),
        cmocka_unit_test(variables_say_where_they_are_from),
        cmocka_unit_test(an_expression_has_a_truth),
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(the_clock_stands),
        cmocka_unit_test(the_clocks_text_keeps_its_origin),
        cmocka_unit_test(places_are_put_on_grids),
        cmocka_unit_test(loops_and_memory_are_limited),
        cmocka_unit_test(long_text_costs_steps),
        cmocka_unit_test(long_ends_to_strip_cost_steps),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(long_chains_end_in_an_error_not_a_crash),
        cmocka_unit_test(limits_can_be_set),
        cmocka_unit_test(cut_templates_do_no_harm),
        cmocka_unit_test(bad_json_of_a_variable_is_an_error),
        cmocka_unit_test(memory_that_runs_out_is_said),
        cmocka_unit_test(the_template_of_qwen3_renders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
