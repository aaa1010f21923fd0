/* Tokens as a table.  The module is lib/stage/explain.h. */
#include "lib/stage/explain.h"

#include "tests/unit/check.h"

#define FLAGS "tests/golden/tokenizer/flags.json"

static struct medvl_tokenizer *open_flags(void)
{
    struct medvl_tokenizer *tok = NULL;
    struct medvl_error err = {0};

    CHECK_OK(medvl_tokenizer_open(&tok, FLAGS, &err), &err);
    return tok;
}

static void explain(struct medvl_text *out, const struct medvl_tokenizer *tok,
                    const int32_t *ids, const size_t *ends, size_t count,
                    const char *id, const uint8_t *mask)
{
    struct medvl_tokens tokens = {.keep_ends = true};
    struct medvl_error err = {0};

    for (size_t i = 0; i < count; i++)
        CHECK_OK(medvl_tokens_add(&tokens, ids[i], ends[i], &err), &err);
    medvl_text_clear(out);
    CHECK_OK(medvl_explain_tokens(out, tok, &tokens, 500,
                                  id ? medvl_span(id)
                                     : (struct medvl_span){0},
                                  mask, &err),
             &err);
    medvl_tokens_release(&tokens);
}

static void rows_have_id_bytes_and_piece(void **state)
{
    const int32_t ids[] = {400, 0, 220, 127, 401};
    const size_t ends[] = {0, 1, 2, 3, 10};
    const uint8_t mask[] = {0, 1, 0, 0, 1};
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};

    (void)state;
    explain(&out, tok, ids, ends, 5, NULL, NULL);
    assert_string_equal(out.data,
                        "5 tokens\n"
                        "      id       bytes  piece\n"
                        "     400         0-0  <s>  special\n"
                        "       0         0-1  !\n"
                        "     220         1-2  \xE2\x90\xA3\n"
                        "     127         2-3  \\xc3\n"
                        "     401        3-10  </s>  special");
    explain(&out, tok, ids, ends, 2, "a\x1B[31m\n", mask);
    assert_string_equal(out.data,
                        "a\\u001b[31m\\n: 2 tokens, 1 learned (*)\n"
                        "      id       bytes  piece\n"
                        "     400         0-0  <s>  special\n"
                        "       0         0-1 *!");
    explain(&out, tok, ids, ends, 0, NULL, NULL);
    assert_string_equal(out.data, "0 tokens\n"
                                  "      id       bytes  piece");
    explain(&out, tok, ids, ends, 1, NULL, NULL);
    assert_memory_equal(out.data, "1 token\n", 8);
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

/* What would move the cursor or turn the line around is spelled out. */
static void a_terminal_is_not_steered(void **state)
{
    static const char *const BAD[] = {"\x07", "\x7F", "\xC2\x9B",
                                      "\xE2\x80\xAE", "\xE2\x80\x8B",
                                      "\xE2\x80\xA8", "\xE2\x80\xAA",
                                      "\xE3\x80\x80", "\xEF\xBB\xBF"};
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        explain(&out, tok, NULL, NULL, 0, BAD[i], NULL);
        assert_memory_equal(out.data, "\\u", 2);
    }
    explain(&out, tok, NULL, NULL, 0, "\xE8\x83\xB8\\", NULL);
    assert_memory_equal(out.data, "\xE8\x83\xB8\\\\: 0", 8);
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

static void a_placeholder_that_is_no_token_is_a_picture(void **state)
{
    const int32_t ids[] = {0, 500};
    const size_t ends[] = {1, 8};
    struct medvl_tokenizer *tok = open_flags();
    struct medvl_text out = {0};

    (void)state;
    explain(&out, tok, ids, ends, 2, NULL, NULL);
    assert_string_equal(out.data, "2 tokens\n"
                                  "      id       bytes  piece\n"
                                  "       0         0-1  !\n"
                                  "     500         1-8  <image>  picture");
    medvl_text_release(&out);
    medvl_tokenizer_free(tok);
}

static int explain_one(void *arg, struct medvl_error *err)
{
    int32_t id = 0;
    size_t end = 1;
    const struct medvl_tokens tokens = {.ids = &id, .ends = &end, .count = 1};
    struct medvl_text out = {0};
    const int rc = medvl_explain_tokens(&out, arg, &tokens, -1,
                                        medvl_span("a"), NULL, err);

    medvl_text_release(&out);
    return rc;
}

static void no_memory_is_said(void **state)
{
    struct medvl_tokenizer *tok = open_flags();

    (void)state;
    check_no_memory(explain_one, tok, 100);
    medvl_tokenizer_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_id_bytes_and_piece),
        cmocka_unit_test(a_terminal_is_not_steered),
        cmocka_unit_test(a_placeholder_that_is_no_token_is_a_picture),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
