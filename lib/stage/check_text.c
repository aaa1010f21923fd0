/*
 * Questions, answers and messages: is there something to learn?
 *
 * Read next: check_plain.c.
 */
#include "lib/stage/check_part.h"

#include <string.h>

#include "lib/base/mem.h"

/* A record under the eye. */
struct look {
    struct medvl_findings *findings;
    const struct medvl_record *record;
    struct medvl_error *err;
};

static int add(const struct look *look, enum medvl_check_kind kind,
               const char *detail)
{
    return medvl_findings_add(look->findings, kind, look->record, look->err,
                              "%s", detail);
}

/* ---- questions and answers ------------------------------------------- */

/* What a member that should hold text is. */
enum state { MISSING,
             BLANK,
             TEXT };

static enum state state_of(const struct medvl_json *value, bool several)
{
    const struct medvl_json *item;

    if (medvl_json_type(value) <= MEDVL_JSON_NULL)
        return MISSING;
    if (!several || medvl_json_type(value) != MEDVL_JSON_ARRAY) {
        const char *text = medvl_json_string(value);

        return text && !medvl_check_blank(text) ? TEXT : BLANK;
    }
    item = medvl_json_first(value);
    if (!item)
        return BLANK;
    for (; item; item = medvl_json_next(item))
        if (state_of(item, false) != TEXT)
            return BLANK;
    return TEXT;
}

/* The member's tree; one that cannot be held is there, but as NULL. */
static int read(struct medvl_json **out, bool *damaged,
                const struct look *look, const char *name)
{
    struct medvl_error own = {0};
    const int rc = medvl_record_read(out, look->record, name, &own);

    *damaged = rc < 0;
    if (rc == MEDVL_OK || !medvl_is_fatal(rc))
        return MEDVL_OK;
    *look->err = own;
    return rc;
}

static int check_question(enum state *out, const struct look *look)
{
    struct medvl_json *question = NULL;
    bool damaged;
    int rc = read(&question, &damaged, look, "question");

    *out = damaged ? BLANK : state_of(question, false);
    medvl_json_free(question);
    if (rc == MEDVL_OK && *out == BLANK)
        rc = add(look, MEDVL_CHECK_QUESTION_EMPTY,
                 "\"question\" holds no text");
    return rc;
}

/* A letter of the choices, or the text of one. */
static bool is_choice(const struct medvl_json *choices, const char *answer)
{
    const struct medvl_json *item = medvl_json_first(choices);

    for (; item; item = medvl_json_next(item)) {
        const char *text = medvl_json_string(item);

        if (strcmp(medvl_json_name(item), answer) == 0 ||
            (text && strcmp(text, answer) == 0))
            return true;
    }
    return false;
}

/* Of several answers, all texts, one choice will do: they are all right. */
static int check_choices(const struct look *look,
                         const struct medvl_json *answer)
{
    const struct medvl_json *item =
        medvl_json_type(answer) == MEDVL_JSON_ARRAY ? medvl_json_first(answer)
                                                    : answer;
    const char *text = medvl_json_string(item);
    struct medvl_json *choices = NULL;
    bool damaged, found = false;
    int rc = read(&choices, &damaged, look, "choices");

    if (medvl_json_type(answer) == MEDVL_JSON_ARRAY)
        for (; item && !found; item = medvl_json_next(item))
            found = is_choice(choices, medvl_json_string(item));
    else
        found = is_choice(choices, text);
    if (rc == MEDVL_OK && !found &&
        medvl_json_type(choices) == MEDVL_JSON_OBJECT)
        rc = medvl_findings_add(look->findings, MEDVL_CHECK_ANSWER_NO_CHOICE,
                                look->record, look->err,
                                "answer \"%.200s\" is none of %zu choices",
                                text, medvl_json_count(choices));
    medvl_json_free(choices);
    return rc;
}

static int check_answer(enum state *out, const struct look *look)
{
    struct medvl_json *answer = NULL;
    bool damaged;
    int rc = read(&answer, &damaged, look, "answer");

    *out = damaged ? BLANK : state_of(answer, true);
    if (rc == MEDVL_OK && *out == BLANK)
        rc = add(look, MEDVL_CHECK_ANSWER_EMPTY,
                 "\"answer\" holds no text, or an empty one");
    if (rc == MEDVL_OK && *out == TEXT)
        rc = check_choices(look, answer);
    medvl_json_free(answer);
    return rc;
}

/* ---- messages -------------------------------------------------------- */

struct chat {
    uint8_t *used; /* of each image: 1 when a part shows it */
    size_t images, parts;
    int64_t said; /* findings about turns */
    bool there;
    bool answered; /* the assistant says something */
};

static int use_image(struct chat *chat, const struct look *look,
                     const struct medvl_json *part, size_t turn)
{
    const struct medvl_json *index = medvl_json_get(part, "index");
    const double n = medvl_json_number(
        index, medvl_json_type(index) <= MEDVL_JSON_NULL
                   ? (double)chat->parts
                   : -1);

    chat->parts++;
    if (n >= 0 && n < (double)chat->images) {
        chat->used[(size_t)n] = 1;
        return MEDVL_OK;
    }
    chat->said++;
    if (chat->said > MEDVL_CHECK_MOST + 1)
        return MEDVL_OK;
    if (chat->said == MEDVL_CHECK_MOST + 1)
        return medvl_findings_add(look->findings,
                                  MEDVL_CHECK_PART_WITHOUT_IMAGE,
                                  look->record, look->err,
                                  "turn %zu: and further parts without one",
                                  turn);
    return medvl_findings_add(look->findings,
                              MEDVL_CHECK_PART_WITHOUT_IMAGE, look->record,
                              look->err,
                              "turn %zu: an image part for image %.10g of %zu",
                              turn, n + 1, chat->images);
}

/* Does the turn say or show anything?  1 where it has no known form. */
static int says(bool *out, struct chat *chat, const struct look *look,
                const struct medvl_json *content, size_t turn)
{
    const struct medvl_json *part = medvl_json_first(content);
    int rc = MEDVL_OK;

    *out = medvl_json_string(content) &&
           !medvl_check_blank(medvl_json_string(content));
    if (medvl_json_type(content) == MEDVL_JSON_STRING)
        return MEDVL_OK;
    if (medvl_json_type(content) != MEDVL_JSON_ARRAY)
        return 1;
    for (; rc == MEDVL_OK && part; part = medvl_json_next(part)) {
        const char *type = medvl_json_string(medvl_json_get(part, "type"));
        const char *text = medvl_json_string(medvl_json_get(part, "text"));

        if (type && strcmp(type, "image") == 0) {
            *out = true;
            rc = use_image(chat, look, part, turn);
        } else if (type && strcmp(type, "text") == 0 && text) {
            *out = *out || !medvl_check_blank(text);
        } else {
            return 1;
        }
    }
    return rc;
}

static int check_turn(struct chat *chat, const struct look *look,
                      const struct medvl_json *message, size_t turn)
{
    static const char *const ROLES[] = {"system", "user", "assistant"};
    const char *role = medvl_json_string(medvl_json_get(message, "role"));
    bool full = false, known = false;
    int rc = says(&full, chat, look, medvl_json_get(message, "content"), turn);

    for (size_t i = 0; role && i < sizeof(ROLES) / sizeof(*ROLES); i++)
        known = known || strcmp(role, ROLES[i]) == 0;
    if (rc < 0)
        return rc;
    chat->said += rc > 0 || !known || !full;
    if (rc > 0 || !known)
        return medvl_findings_add(look->findings,
                                  MEDVL_CHECK_MESSAGES_MALFORMED,
                                  look->record, look->err,
                                  "turn %zu: %s", turn,
                                  known ? "\"content\" is neither text nor "
                                          "parts of text and images"
                                        : "\"role\" is not system, user or "
                                          "assistant");
    if (!full)
        return medvl_findings_add(look->findings, MEDVL_CHECK_TURN_EMPTY,
                                  look->record, look->err,
                                  "turn %zu: the %s says nothing", turn,
                                  role);
    chat->answered = chat->answered || strcmp(role, "assistant") == 0;
    return MEDVL_OK;
}

static int check_used(const struct chat *chat, const struct look *look)
{
    int rc = MEDVL_OK, said = 0;

    for (size_t i = 0; rc == MEDVL_OK && i < chat->images; i++)
        if (!chat->used[i] && ++said > MEDVL_CHECK_MOST)
            return add(look, MEDVL_CHECK_IMAGE_UNUSED,
                       "and further images that no part shows");
        else if (!chat->used[i])
            rc = medvl_findings_add(look->findings, MEDVL_CHECK_IMAGE_UNUSED,
                                    look->record, look->err,
                                    "no part of the messages shows image %zu "
                                    "of %zu",
                                    i + 1, chat->images);
    return rc;
}

static int check_list(struct chat *chat, const struct look *look,
                      const struct medvl_json *list)
{
    const struct medvl_json *message = medvl_json_first(list);
    int rc = MEDVL_OK;

    if (medvl_json_type(list) != MEDVL_JSON_ARRAY)
        return add(look, MEDVL_CHECK_MESSAGES_MALFORMED,
                   "\"messages\" is no array");
    if (!message)
        return add(look, MEDVL_CHECK_MESSAGES_EMPTY,
                   "\"messages\" has no turn");
    chat->used = medvl_alloc(chat->images, 1);
    if (!chat->used)
        return medvl_no_memory(look->err);
    for (size_t turn = 1; rc == MEDVL_OK && message; turn++) {
        if (chat->said >= MEDVL_CHECK_MOST)
            return medvl_findings_add(look->findings,
                                      MEDVL_CHECK_MESSAGES_MALFORMED,
                                      look->record, look->err,
                                      "so much is wrong that turns from %zu "
                                      "on were not looked at",
                                      turn);
        rc = check_turn(chat, look, message, turn);
        message = medvl_json_next(message);
    }
    return rc == MEDVL_OK ? check_used(chat, look) : rc;
}

static int check_messages(struct chat *chat, const struct look *look)
{
    struct medvl_json *list = NULL;
    bool damaged;
    int rc = read(&list, &damaged, look, "messages");

    chat->there = damaged || medvl_json_type(list) > MEDVL_JSON_NULL;
    if (rc == MEDVL_OK && chat->there)
        rc = check_list(chat, look, list);
    medvl_free(chat->used);
    medvl_json_free(list);
    return rc;
}

int medvl_check_texts(struct medvl_findings *findings,
                      const struct medvl_record *record, size_t images,
                      struct medvl_error *err)
{
    const struct look look = {findings, record, err};
    enum state question = MISSING, answer = MISSING;
    struct chat chat = {.images = images};
    int rc = check_question(&question, &look);

    if (rc == MEDVL_OK)
        rc = check_answer(&answer, &look);
    if (rc == MEDVL_OK)
        rc = check_messages(&chat, &look);
    if (rc == MEDVL_OK && question == MISSING && answer != MISSING &&
        !chat.there)
        rc = add(&look, MEDVL_CHECK_QUESTION_MISSING,
                 "an answer without a question");
    if (rc == MEDVL_OK && answer == MISSING && question != MISSING &&
        !chat.answered)
        rc = add(&look, MEDVL_CHECK_ANSWER_MISSING,
                 "a question without an answer");
    return rc;
}
