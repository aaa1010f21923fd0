/*
 * Normal forms of answers, and the choice that a reply means.
 *
 * Read next: textmetric.c.
 */
#include "lib/eval/answer.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/text/unicode.h"

int medvl_answer_norm_parse(enum medvl_answer_norm *out, const char *name,
                            struct medvl_error *err)
{
    static const char *const names[] = {"vqa", "mumc", "lower", "none"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum medvl_answer_norm)i;
            return MEDVL_OK;
        }
    return medvl_fail(err, MEDVL_EARG,
                      "no normalisation \"%s\": vqa, mumc, lower, none", name);
}

/* ---- normalisation ---------------------------------------------------- */

/* The n-th rune; invalid bytes count as one each. */
static int next_rune(uint32_t *rune, struct medvl_span text, size_t at)
{
    const int size =
        medvl_utf8_decode(rune, text.data + at, text.size - at);

    if (size > 0)
        return size;
    *rune = 0xFFFD;
    return 1;
}

static int append_lower(struct medvl_text *out, struct medvl_span text,
                        struct medvl_error *err)
{
    int rc = MEDVL_OK;

    for (size_t at = 0; at < text.size && rc == MEDVL_OK;) {
        uint32_t rune;
        char bytes[4];

        at += (size_t)next_rune(&rune, text, at);
        rc = medvl_text_append(
            out, bytes,
            (size_t)medvl_utf8_encode(bytes, medvl_unicode_lower(rune)), err);
    }
    return rc;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * The VQA punctuation rule: what happens to a mark, deletion or a space,
 * depends on whether the text has it beside a space anywhere.
 */
static int append_punctuated(struct medvl_text *out, struct medvl_span text,
                             struct medvl_error *err)
{
    static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";
    bool mark[128] = {0}, drop[128] = {0}, all = false;
    int rc = MEDVL_OK;

    for (const char *m = marks; *m; m++)
        mark[(int)*m] = true;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];
        const char before = i ? text.data[i - 1] : 0;
        const char after = i + 1 < text.size ? text.data[i + 1] : 0;

        if (c < 0 || !mark[(int)c])
            continue;
        if (before == ' ' || after == ' ')
            drop[(int)c] = true;
        if (c == ',' && is_digit(before) && is_digit(after))
            all = true;
    }
    for (size_t i = 0; i < text.size && rc == MEDVL_OK; i++) {
        const char c = text.data[i];

        if (c < 0 || !mark[(int)c])
            rc = medvl_text_putc(out, c, err);
        else if (!all && !drop[(int)c])
            rc = medvl_text_putc(out, ' ', err);
    }
    return rc;
}

/* Full stops that end something go, the first 32 of them. */
static int append_without_stops(struct medvl_text *out, struct medvl_span text,
                                struct medvl_error *err)
{
    int rc = MEDVL_OK, deleted = 0;

    for (size_t i = 0; i < text.size && rc == MEDVL_OK; i++) {
        const char after = i + 1 < text.size ? text.data[i + 1] : 0;

        if (text.data[i] == '.' && !is_digit(after) && deleted < 32)
            deleted++;
        else
            rc = medvl_text_putc(out, text.data[i], err);
    }
    return rc;
}

static struct medvl_span plain_word(struct medvl_span word)
{
    static const char *const names[] = {"none", "zero", "one", "two", "three",
                                        "four", "five", "six", "seven",
                                        "eight", "nine", "ten"};
    static const char *const digits[] = {"0", "0", "1", "2", "3", "4", "5",
                                         "6", "7", "8", "9", "10"};

    for (int i = 0; i < 12; i++)
        if (medvl_span_is(word, names[i]))
            return medvl_span(digits[i]);
    if (medvl_span_is(word, "a") || medvl_span_is(word, "an") ||
        medvl_span_is(word, "the"))
        return (struct medvl_span){0};
    return word;
}

/* Is `word` the text `full` of `size` bytes less one apostrophe? */
static bool lacks_apostrophe(struct medvl_span word, const char *full,
                             size_t size)
{
    size_t same = 0;

    if (size != word.size + 1)
        return false;
    while (same < word.size && word.data[same] == full[same])
        same++;
    return full[same] == '\'' &&
           memcmp(word.data + same, full + same + 1, word.size - same) == 0;
}

/*
 * VQA's contractions: a word becomes one of these when it is one of them
 * less one apostrophe.  (Its table has one entry the wrong way round.)
 */
static struct medvl_span contraction(struct medvl_span word)
{
    static const char full[] =
        "ain't aren't can't could've couldn't couldn't've didn't doesn't "
        "don't hadn't hadn't've hasn't haven't he'd he'd've he's how'd "
        "how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've "
        "might've mustn't must've needn't not've o'clock oughtn't 'ow's'at "
        "shan't she'd've should've shouldn't shouldn't've somebody'd've "
        "somebody'll somebody's someone'd someone'd've someone'll someone's "
        "something'd something'd've something'll that's there'd there'd've "
        "there're there's they'd they'd've they'll they're they've 'twas "
        "wasn't we'd've we've weren't what'll what're what's what've when's "
        "where'd where's where've who'd who'd've who'll who's who've why'll "
        "why're why's won't would've wouldn't wouldn't've y'all y'all'll "
        "y'all'd've you'd you'd've you'll you're you've ";
    const char *at = full;

    if (medvl_span_is(word, "somebody'd"))
        return medvl_span("somebodyd");
    while (*at) {
        const size_t size = (size_t)(strchr(at, ' ') - at);

        if (lacks_apostrophe(word, at, size))
            return (struct medvl_span){at, size};
        at += size + 1;
    }
    return word;
}

/* Words joined by single spaces; `plain` as the VQA scorers see words. */
static int append_words(struct medvl_text *out, struct medvl_span text,
                        bool plain, bool contractions,
                        struct medvl_error *err)
{
    const size_t begin = out->size;
    size_t start = 0, at = 0;
    int rc = MEDVL_OK;

    while (at <= text.size && rc == MEDVL_OK) {
        struct medvl_span word = {text.data + start, at - start};
        uint32_t rune = ' ';
        int size = 1;

        if (at < text.size)
            size = next_rune(&rune, text, at);
        at += (size_t)size;
        if (!(medvl_unicode_class(rune) & MEDVL_RUNE_SPACE))
            continue;
        start = at;
        if (word.size && plain)
            word = plain_word(word);
        if (word.size && contractions)
            word = contraction(word);
        if (word.size && out->size > begin)
            rc = medvl_text_putc(out, ' ', err);
        if (word.size && rc == MEDVL_OK)
            rc = medvl_text_append(out, word.data, word.size, err);
    }
    return rc;
}

static int normalize_vqa(struct medvl_text *out, struct medvl_text *a,
                         struct medvl_text *b, struct medvl_span text,
                         struct medvl_error *err)
{
    int rc = append_punctuated(a, text, err);

    if (rc == MEDVL_OK)
        rc = append_without_stops(b, medvl_text_span(a), err);
    medvl_text_clear(a);
    if (rc == MEDVL_OK)
        rc = append_lower(a, medvl_text_span(b), err);
    if (rc == MEDVL_OK)
        rc = append_words(out, medvl_text_span(a), true, true, err);
    return rc;
}

static int append_replaced(struct medvl_text *out, struct medvl_span text,
                           const char *from, const char *to,
                           struct medvl_error *err)
{
    const size_t size = strlen(from);
    int rc = MEDVL_OK;

    for (size_t i = 0; i < text.size && rc == MEDVL_OK;) {
        if (text.size - i >= size && !memcmp(text.data + i, from, size)) {
            rc = medvl_text_puts(out, to, err);
            i += size;
        } else
            rc = medvl_text_putc(out, text.data[i++], err);
    }
    return rc;
}

static int normalize_mumc(struct medvl_text *out, struct medvl_text *a,
                          struct medvl_text *b, struct medvl_span text,
                          struct medvl_error *err)
{
    static const char *const pairs[3][2] = {
        {"x ray", "xray"}, {"x-ray", "xray"}, {" - ", "-"}};
    struct medvl_text *swap;
    int rc = append_lower(a, text, err);

    for (size_t i = 0; i < a->size && rc == MEDVL_OK; i++)
        if (!strchr(",.'!?\"()*#:;~", a->data[i]) || !a->data[i])
            rc = medvl_text_putc(b, a->data[i], err);
    for (int i = 0; i < 3 && rc == MEDVL_OK; i++) {
        medvl_text_clear(a);
        rc = append_replaced(a, medvl_text_span(b), pairs[i][0], pairs[i][1],
                             err);
        swap = a;
        a = b;
        b = swap;
    }
    medvl_text_clear(a);
    if (rc == MEDVL_OK)
        rc = append_punctuated(a, medvl_text_span(b), err);
    if (rc == MEDVL_OK)
        rc = append_words(out, medvl_text_span(a), true, false, err);
    return rc;
}

int medvl_answer_normalize(struct medvl_text *out, struct medvl_span text,
                           enum medvl_answer_norm norm,
                           struct medvl_error *err)
{
    struct medvl_text a = {0}, b = {0};
    int rc = MEDVL_OK;

    switch (norm) {
    case MEDVL_ANSWER_VQA:
        rc = normalize_vqa(out, &a, &b, text, err);
        break;
    case MEDVL_ANSWER_MUMC:
        rc = normalize_mumc(out, &a, &b, text, err);
        break;
    case MEDVL_ANSWER_LOWER:
        rc = append_lower(&a, text, err);
        if (rc == MEDVL_OK)
            rc = append_words(out, medvl_text_span(&a), false, false, err);
        break;
    case MEDVL_ANSWER_NONE:
        rc = medvl_text_append(out, text.data, text.size, err);
        break;
    }
    medvl_text_release(&a);
    medvl_text_release(&b);
    return rc;
}

/* ---- choices ---------------------------------------------------------- */

void medvl_choices_release(struct medvl_choices *choices)
{
    for (size_t i = 0; i < choices->made; i++) {
        medvl_text_release(&choices->items[i].letter);
        medvl_text_release(&choices->items[i].text);
        medvl_text_release(&choices->items[i].normal);
    }
    medvl_text_release(&choices->scratch);
    medvl_free(choices->items);
    memset(choices, 0, sizeof(*choices));
}

static bool same_letter(struct medvl_span a, struct medvl_span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (tolower((unsigned char)a.data[i]) !=
            tolower((unsigned char)b.data[i]))
            return false;
    return true;
}

/* The choice whose letter is `letter`, in any case if `any`; or -1. */
static int64_t find_letter(const struct medvl_choices *choices,
                           struct medvl_span letter, bool any)
{
    for (size_t i = 0; i < choices->count; i++) {
        const struct medvl_span mine =
            medvl_text_span(&choices->items[i].letter);

        if (any ? same_letter(mine, letter) : medvl_span_equal(mine, letter))
            return (int64_t)i;
    }
    return -1;
}

static int add_choice(struct medvl_choices *choices,
                      const struct medvl_json *member,
                      struct medvl_error *err)
{
    const struct medvl_span letter = medvl_span(medvl_json_name(member));
    const char *text = medvl_json_string(member);
    struct medvl_choice *c;
    int rc;

    if (!text || !letter.size || choices->count == MEDVL_CHOICES_MAX ||
        find_letter(choices, letter, true) >= 0)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"choices\": want 1 to %d strings under unlike "
                          "letters",
                          MEDVL_CHOICES_MAX);
    if (choices->count == choices->made) {
        rc = medvl_grow(&choices->items, &choices->capacity,
                        choices->made + 1, sizeof(*choices->items), err);
        if (rc < 0)
            return rc;
        memset(&choices->items[choices->made++], 0, sizeof(*c));
    }
    c = &choices->items[choices->count];
    medvl_text_clear(&c->letter);
    medvl_text_clear(&c->text);
    medvl_text_clear(&c->normal);
    rc = medvl_text_append(&c->letter, letter.data, letter.size, err);
    if (rc == MEDVL_OK)
        rc = medvl_text_puts(&c->text, text, err);
    if (rc == MEDVL_OK)
        rc = medvl_answer_normalize(&c->normal, medvl_span(text),
                                    choices->norm, err);
    if (rc == MEDVL_OK)
        choices->count++;
    return rc;
}

int medvl_choices_read(struct medvl_choices *choices,
                       const struct medvl_json *object,
                       enum medvl_answer_norm norm, struct medvl_error *err)
{
    const struct medvl_json *member = medvl_json_first(object);
    int rc = MEDVL_OK;

    choices->count = 0;
    choices->norm = norm;
    if (medvl_json_type(object) != MEDVL_JSON_OBJECT || !member)
        return medvl_fail(err, MEDVL_EFORMAT,
                          "\"choices\": want an object, letter to text");
    for (; member && rc == MEDVL_OK; member = medvl_json_next(member))
        rc = add_choice(choices, member, err);
    return rc;
}

static bool word_byte(char c)
{
    return c < 0 || isalnum((unsigned char)c) || c == '_' || c == '\'';
}

/* Does `part` stand in `text` as whole words? */
static bool has_words(struct medvl_span text, struct medvl_span part)
{
    if (!part.size || part.size > text.size)
        return false;
    for (size_t i = 0; i + part.size <= text.size; i++) {
        const size_t end = i + part.size;

        if (memcmp(text.data + i, part.data, part.size) == 0 &&
            (i == 0 || !word_byte(text.data[i - 1])) &&
            (end == text.size || !word_byte(text.data[end])))
            return true;
    }
    return false;
}

static struct medvl_span trim(struct medvl_span text, const char *bytes)
{
    while (text.size && text.data[0] && strchr(bytes, text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size && text.data[text.size - 1] &&
           strchr(bytes, text.data[text.size - 1]))
        text.size--;
    return text;
}

/* The letters and digits from `at` on. */
static struct medvl_span word_at(struct medvl_span text, size_t at)
{
    size_t end = at;

    while (end < text.size && word_byte(text.data[end]))
        end++;
    return (struct medvl_span){text.data + at, end - at};
}

/* Rule 3: "B. Spleen", "(B) Spleen", "**B** it is". */
static int64_t leading_letter(const struct medvl_choices *choices,
                              struct medvl_span reply)
{
    static const char *const pairs[][2] = {
        {"(", ")"}, {"[", "]"}, {"**", "**"}, /* around */
        {"", "."},
        {"", ")"},
        {"", ":"},
        {"", ","}, /* after */
    };
    const struct medvl_span text = trim(reply, " \t\r\n");

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        const size_t open = strlen(pairs[i][0]), close = strlen(pairs[i][1]);
        struct medvl_span word;
        int64_t found;

        if (text.size < open || memcmp(text.data, pairs[i][0], open) != 0)
            continue;
        word = word_at(text, open);
        if (text.size < open + word.size + close ||
            memcmp(word.data + word.size, pairs[i][1], close) != 0)
            continue;
        found = find_letter(choices, word, false);
        if (found >= 0)
            return found;
    }
    return -1;
}

static bool starts_with(struct medvl_span text, size_t at, const char *small)
{
    size_t i = 0;

    for (; small[i]; i++)
        if (at + i >= text.size ||
            tolower((unsigned char)text.data[at + i]) != small[i])
            return false;
    return true;
}

/* Rule 4: after the last "answer is", "answer:" or "option". */
static int64_t announced_letter(const struct medvl_choices *choices,
                                struct medvl_span reply)
{
    static const char *const marks[] = {"answer is", "answer:", "option"};
    int64_t last = -1;

    for (size_t i = 0; i < reply.size; i++)
        for (int m = 0; m < 3; m++) {
            size_t at = i + strlen(marks[m]);
            int64_t found;

            if (!starts_with(reply, i, marks[m]))
                continue;
            if (at < reply.size && word_byte(reply.data[at]))
                continue;
            while (at < reply.size && strchr(" :*([", reply.data[at]))
                at++;
            found = find_letter(choices, word_at(reply, at), false);
            if (found >= 0)
                last = found;
        }
    return last;
}

/* Rule 5: the one letter that stands alone. */
static int64_t lone_letter(const struct medvl_choices *choices,
                           struct medvl_span reply)
{
    int64_t only = -1;

    for (size_t at = 0; at < reply.size;) {
        const struct medvl_span word = word_at(reply, at);
        const size_t end = at + word.size;
        const bool article =
            (medvl_span_is(word, "A") || medvl_span_is(word, "I")) &&
            end + 1 < reply.size && reply.data[end] == ' ' &&
            islower((unsigned char)reply.data[end + 1]);
        const int64_t found =
            word.size && !article ? find_letter(choices, word, false) : -1;

        if (found >= 0 && only >= 0 && found != only)
            return -1;
        if (found >= 0)
            only = found;
        at = end + 1;
    }
    return only;
}

/* Rules 2 and 6, of the normalised reply. */
static int64_t one_text(const struct medvl_choices *choices,
                        struct medvl_span reply, bool whole)
{
    int64_t only = -1;

    for (size_t i = 0; i < choices->count; i++) {
        const struct medvl_span mine =
            medvl_text_span(&choices->items[i].normal);
        bool inside = false;

        if (whole ? !medvl_span_equal(reply, mine) : !has_words(reply, mine))
            continue;
        for (size_t k = 0; k < choices->count && !whole && !inside; k++) {
            const struct medvl_span other =
                medvl_text_span(&choices->items[k].normal);

            inside = other.size > mine.size && has_words(other, mine) &&
                     has_words(reply, other);
        }
        if (inside)
            continue;
        if (only >= 0)
            return -1;
        only = (int64_t)i;
    }
    return only;
}

int medvl_choices_find(int64_t *out, struct medvl_choices *choices,
                       struct medvl_span reply, struct medvl_error *err)
{
    struct medvl_text *normal = &choices->scratch;
    int rc;

    medvl_text_clear(normal);
    rc = medvl_answer_normalize(normal, reply, choices->norm, err);
    if (rc < 0)
        return rc;
    *out = find_letter(choices, trim(reply, " \t\r\n()[]*.:,"), true);
    if (*out < 0)
        *out = one_text(choices, medvl_text_span(normal), true);
    if (*out < 0)
        *out = leading_letter(choices, reply);
    if (*out < 0)
        *out = announced_letter(choices, reply);
    if (*out < 0)
        *out = lone_letter(choices, reply);
    if (*out < 0)
        *out = one_text(choices, medvl_text_span(normal), false);
    return MEDVL_OK;
}
