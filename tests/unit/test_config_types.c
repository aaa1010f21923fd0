/*
 * config.json with values of the wrong type: every field of every config of
 * the fuzz target's corpus, and those that are read as names one by one.
 */
#include "tests/unit/check.h"

#include <string.h>

#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/model/config.h"

#define CORPUS "tests/fuzz/corpus/fuzz_config"

static const char *const VALUES[] = {"5", "-1", "\"x\"", "[]", "{}",
                                     "[7]", "false", "true", "null"};

#define VALUE_COUNT (sizeof(VALUES) / sizeof(*VALUES))

/* It reads, or says why it does not. */
static int parse(struct medvl_text *json, struct medvl_error *err)
{
    struct medvl_config c;
    int rc;

    err->text[0] = '\0';
    rc = medvl_config_parse(&c, medvl_text_span(json), err);
    if (rc < 0)
        assert_true(err->text[0] != '\0');
    else
        medvl_config_release(&c);
    return rc;
}

/* Is the quoted text at `at` a name?  Then *size is that of its quotes. */
static bool is_name(size_t *size, const char *at)
{
    const char *end = at[0] == '"' ? strchr(at + 1, '"') : NULL;

    if (!end)
        return false;
    *size = (size_t)(end - at) + 1;
    return at[*size + strspn(at + *size, " \n\t")] == ':';
}

/* Of two fields with one name the first counts. */
static int try_fields(const char *text)
{
    struct medvl_text json = {0};
    struct medvl_error err = {0};
    size_t size;
    int refused = 0;

    for (const char *at = strchr(text, '"'); at; at = strchr(at + size, '"')) {
        if (!is_name(&size, at)) {
            size = 1;
            continue;
        }
        for (size_t i = 0; i < VALUE_COUNT; i++) {
            medvl_text_clear(&json);
            CHECK_OK(medvl_text_printf(&json, &err, "%.*s%.*s:%s,%s",
                                       (int)(at - text), text, (int)size, at,
                                       VALUES[i], at),
                     &err);
            refused += parse(&json, &err) < 0;
        }
    }
    medvl_text_release(&json);
    return refused;
}

static void no_field_of_the_wrong_type_does_harm(void **state)
{
    struct medvl_names names = {0};
    struct medvl_error err = {0};

    (void)state;
    CHECK_OK(medvl_folder_list(&names, CORPUS, &err), &err);
    assert_true(names.count > 20);
    for (size_t i = 0; i < names.count; i++) {
        struct medvl_text text = {0};
        char *path = NULL;

        CHECK_OK(medvl_path_join(&path, CORPUS, names.items[i], &err), &err);
        CHECK_OK(medvl_file_read(&text, path, 1 << 20, &err), &err);
        assert_true(try_fields(text.data) > 20);
        medvl_text_release(&text);
        medvl_free(path);
    }
    medvl_names_release(&names);
}

static const struct {
    const char *field, *json; /* %s: its value */
} NAMES[] = {
    {"model_type", "{\"architectures\":[\"LlamaForCausalLM\"],"
                   "\"model_type\":%s}"},
    {"model_type", "{\"model_type\":%s}"},
    {"dtype", "{\"model_type\":\"llama\",\"dtype\":%s}"},
    {"torch_dtype", "{\"model_type\":\"llama\",\"torch_dtype\":%s}"},
    {"hidden_act", "{\"model_type\":\"llama\",\"hidden_act\":%s}"},
    {"activation_function",
     "{\"model_type\":\"gpt2\",\"activation_function\":%s}"},
    {"type", "{\"model_type\":\"llama\",\"rope_scaling\":{\"type\":%s,"
             "\"factor\":2}}"},
    {"rope_type", "{\"model_type\":\"llama\",\"rope_scaling\":{"
                  "\"rope_type\":%s,\"factor\":2}}"},
    {"rope_type", "{\"model_type\":\"llama\",\"rope_parameters\":{"
                  "\"rope_type\":%s,\"factor\":2}}"},
    {"model_type", "{\"model_type\":\"llava\",\"text_config\":{"
                   "\"model_type\":%s}}"},
    {"dtype", "{\"model_type\":\"llava\",\"text_config\":{"
              "\"vocab_size\":32064,\"dtype\":%s}}"},
    {"torch_dtype", "{\"model_type\":\"llava\",\"text_config\":{"
                    "\"vocab_size\":32064,\"torch_dtype\":%s}}"},
    {"model_type", "{\"model_type\":\"llava\",\"vision_config\":{"
                   "\"model_type\":%s}}"},
    {"hidden_act", "{\"model_type\":\"llava\",\"vision_config\":{"
                   "\"hidden_act\":%s}}"},
    {"projector_hidden_act", "{\"model_type\":\"llava\",\"text_config\":{"
                             "\"vocab_size\":32064},"
                             "\"projector_hidden_act\":%s}"},
    {"vision_feature_select_strategy",
     "{\"model_type\":\"llava\",\"vision_feature_select_strategy\":%s}"},
    {"hidden_act", "{\"model_type\":\"qwen2_vl\",\"rope_scaling\":{"
                   "\"mrope_section\":[16,24,24]},\"vision_config\":{"
                   "\"hidden_act\":%s}}"},
#define TOWER "\"mm_vision_tower\":\"clip-vit-large-patch14-336\","
    {"mm_projector_type",
     "{\"model_type\":\"llava_llama\"," TOWER "\"mm_projector_type\":%s}"},
    {"image_aspect_ratio",
     "{\"model_type\":\"llava_llama\"," TOWER "\"image_aspect_ratio\":%s}"},
    {"mm_patch_merge_type",
     "{\"model_type\":\"llava_llama\"," TOWER "\"mm_patch_merge_type\":%s}"},
    {"mm_vision_select_feature",
     "{\"model_type\":\"llava_llama\"," TOWER
     "\"mm_vision_select_feature\":%s}"},
    {"mm_vision_tower",
     "{\"model_type\":\"llava_llama\",\"mm_vision_tower\":%s}"},
};

static void a_name_that_is_no_string_is_refused_by_its_field(void **state)
{
    static const char *const WRONG[] = {"5", "[]", "{}", "true", "[\"llama\"]"};
    struct medvl_text json = {0};
    struct medvl_error err = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(*NAMES); i++)
        for (size_t k = 0; k < sizeof(WRONG) / sizeof(*WRONG); k++) {
            const char *hole = strstr(NAMES[i].json, "%s");
            char want[64];

            medvl_text_clear(&json);
            CHECK_OK(medvl_text_printf(&json, &err, "%.*s%s%s",
                                       (int)(hole - NAMES[i].json),
                                       NAMES[i].json, WRONG[k], hole + 2),
                     &err);
            snprintf(want, sizeof(want), "\"%s\": ", NAMES[i].field);
            assert_int_equal(parse(&json, &err), MEDVL_EFORMAT);
            if (!strstr(err.text, want))
                fail_msg("%s: %s", json.data, err.text);
        }
    medvl_text_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_field_of_the_wrong_type_does_harm),
        cmocka_unit_test(a_name_that_is_no_string_is_refused_by_its_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
