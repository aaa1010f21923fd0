/*
 * Templates: any text compiles and renders, or is refused; what comes out
 * is UTF-8 with runs that add up to it.  The driver is driver.c.
 */
#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/text.h"
#include "lib/text/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char RECORD[] =
    "{\"s\":\"<|eot|> \\u00e9\\n\",\"n\":5,\"x\":-2.5,\"t\":true,"
    "\"l\":[3,\"b\",null,[1.5]],\"d\":{\"k\":\"v\",\"e\":{\"f\":[]}},"
    "\"messages\":[{\"role\":\"user\",\"content\":\"Q \"},"
    "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
    "\"text\":\"A\"}]}],\"bos_token\":\"<s>\"}";

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_output(const struct medvl_marked *out)
{
    size_t sum = 0;

    for (size_t i = 0; i < out->run_count; i++) {
        must(out->runs[i].size > 0);
        must(!i ||
             out->runs[i].from_record != out->runs[i - 1].from_record);
        sum += out->runs[i].size;
    }
    must(sum == out->text.size);
    must(!sum || medvl_utf8_valid(out->text.data, sum) == sum);
}

static void render(const struct medvl_template *template, bool expression)
{
    const struct medvl_template_limits limits = {.steps = 20000,
                                                 .memory = 1 << 20};
    struct medvl_template_run *run = NULL;
    struct medvl_json_view view = {0};
    struct medvl_marked out = {0};
    struct medvl_error err = {0};
    bool truth;

    must(medvl_json_view_object(&view, medvl_span(RECORD), &err) == 0);
    must(medvl_template_run_new(&run, &limits, &err) == 0);
    medvl_template_begin(run);
    must(medvl_template_set_date(run, medvl_span("2024-07-26"), &err) == 0);
    must(medvl_template_set_members(run, &view, true, &err) == 0);
    if (medvl_template_render(&out, template, run, &err) < 0) {
        must(out.text.size == 0 && out.run_count == 0);
        must(err.code == MEDVL_EFORMAT);
    }
    check_output(&out);
    if (expression && medvl_template_truth(&truth, template, run, &err) < 0)
        must(err.code == MEDVL_EFORMAT);
    medvl_template_run_free(run);
    medvl_json_view_release(&view);
    medvl_marked_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span source = {(const char *)data, size};
    struct medvl_template *template;

    if (medvl_template_compile(&template, source, NULL) == MEDVL_OK)
        render(template, false);
    medvl_template_free(template);
    if (medvl_template_compile_expression(&template, source, NULL) ==
        MEDVL_OK)
        render(template, true);
    medvl_template_free(template);
    return 0;
}
