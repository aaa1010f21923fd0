/*
 * What models say: normal forms, choices and boxes of any text.  A normal
 * form is UTF-8 and is its own normal form where that is promised.
 *
 * Read next: driver.c.
 */
#include <stdlib.h>

#include "lib/eval/answer.h"
#include "lib/eval/grounding.h"
#include "lib/eval/textmetric.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_choices(struct medvl_span text)
{
    static const char json[] = "{\"A\":\"left lung\",\"B\":\"lung\","
                               "\"C\":\"\",\"d\":\"the\"}";
    struct medvl_choices choices = {0};
    struct medvl_json *object = NULL;
    struct medvl_error err = {0};
    int64_t found;

    if (medvl_json_parse(&object, medvl_span(json), &err) < 0 ||
        medvl_choices_read(&choices, object, MEDVL_ANSWER_VQA, &err) < 0 ||
        medvl_choices_find(&found, &choices, text, &err) < 0 || found < -1 ||
        found > 3)
        abort();
    medvl_choices_release(&choices);
    medvl_json_free(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct medvl_span text = {(const char *)data, size};
    const bool valid = medvl_utf8_valid(text.data, size) == size;
    struct medvl_text out = {0}, again = {0};
    struct medvl_error err = {0};
    struct medvl_overlap overlap;
    struct medvl_box box;

    for (int norm = MEDVL_ANSWER_VQA; norm <= MEDVL_ANSWER_NONE; norm++) {
        medvl_text_clear(&out);
        if (medvl_answer_normalize(&out, text, (enum medvl_answer_norm)norm,
                                   &err) < 0)
            abort();
        if (valid && medvl_utf8_valid(out.data, out.size) != out.size)
            abort();
        if (medvl_overlap(&overlap, medvl_text_span(&out), text, &err) < 0 ||
            !(overlap.f1 >= 0 && overlap.f1 <= 1) ||
            !(overlap.llava_recall >= 0 && overlap.llava_recall <= 1))
            abort();
    }
    medvl_text_clear(&out);
    if (medvl_answer_normalize(&out, text, MEDVL_ANSWER_LOWER, &err) < 0 ||
        medvl_answer_normalize(&again, medvl_text_span(&out),
                               MEDVL_ANSWER_LOWER, &err) < 0 ||
        !medvl_span_equal(medvl_text_span(&out), medvl_text_span(&again)))
        abort();
    use_choices(text);
    if (medvl_box_parse(&box, text) &&
        !(medvl_box_iou(&box, &box) >= 0 && medvl_box_iou(&box, &box) <= 1))
        abort();
    medvl_text_release(&out);
    medvl_text_release(&again);
    return 0;
}
