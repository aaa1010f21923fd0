/*
 * Chat: what a stranger's record gives to a layout, or to a template that
 * uses all of it.  What comes out is UTF-8; the tokens end in it, one after
 * the other, and every picture has its placeholder.
 *
 * The input's first byte says by what; then come messages, variables, tools
 * and documents, a zero byte between them.
 *
 * Read next: driver.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const LAYOUTS[] = {
    "v1", "v0", "v1_mmtag", "llava_llama_2", "mistral_instruct",
    "chatml_direct", "llava_llama_3", "qwen_1_5", "huatuo", "plain",
    "llama3", "chatml"};
#define LAYOUT_COUNT (sizeof(LAYOUTS) / sizeof(LAYOUTS[0]))

/* In the manner of the templates that models have. */
static const char *const TEMPLATES[] = {
    "{% for m in messages %}{{ m.role.upper() ~ ':' }}{% for c in m.content "
    "| selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor "
    "%}{% for c in m.content | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ c.text + ' ' }}{% endgeneration %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}",
    "{% if tools %}{% for t in tools %}{{ t | tojson(indent=4) }}{% endfor "
    "%}{% endif %}{{ documents | tojson }}{{ strftime_now('%d %b %Y') }}"
    "{% for m in messages %}{% if m.tool_calls %}{% for c in m.tool_calls %}"
    "{{ c.function.name ~ (c.function.arguments | tojson) }}{% endfor %}"
    "{% elif m.content is string %}{% set r = m.content.split('</think>') %}"
    "{{ m.role ~ '\n' ~ r[-1].lstrip('\n') | trim ~ '<|im_end|>\n' }}"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if enable_thinking is defined and not enable_thinking %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}"};

static struct medvl_tokenizer *tok;
static struct medvl_encoder *encoder;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The bytes up to the next zero byte, and past it. */
static struct medvl_span next_part(struct medvl_span *rest)
{
    const char *end = rest->size ? memchr(rest->data, 0, rest->size) : NULL;
    struct medvl_span part = *rest;

    if (!end)
        *rest = (struct medvl_span){rest->data + rest->size, 0};
    else {
        part.size = (size_t)(end - rest->data);
        rest->data = end + 1;
        rest->size -= part.size + 1;
    }
    return part;
}

/* With the marks of every layout, and an end token for huatuo. */
static void open_tokenizer(void)
{
    static const struct medvl_added_token MARKS[] = {
        {"<|begin_of_text|>", true},
        {"<|start_header_id|>", true},
        {"<|end_header_id|>", true},
        {"<|eot_id|>", true},
        {"<|im_start|>", true},
        {"<|im_end|>", true},
        {"</s>", true},
    };
    static const char CONFIG[] = "{\"eos_token\":\"</s>\"}";
    char folder[] = "/tmp/medvl-fuzz-XXXXXX";
    char path[sizeof(folder) + 16];
    char config[sizeof(folder) + 24];

    if (tok)
        return;
    must(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/tokenizer.json", folder);
    must(medvl_tokenizer_extend("tests/golden/tokenizer/llama3.json", path,
                                MARKS, sizeof(MARKS) / sizeof(MARKS[0]),
                                NULL) == MEDVL_OK);
    snprintf(config, sizeof(config), "%s/tokenizer_config.json", folder);
    must(medvl_file_write(config, CONFIG, strlen(CONFIG), NULL) == MEDVL_OK);
    must(medvl_tokenizer_open(&tok, path, NULL) == MEDVL_OK);
    must(unlink(path) == 0 && unlink(config) == 0 && rmdir(folder) == 0);
    must(medvl_encoder_new(&encoder, tok, NULL) == MEDVL_OK);
}

static void check(struct medvl_chat_worker *w,
                  const struct medvl_chat_input *in, unsigned flags)
{
    struct medvl_chat_tokens out = {0};
    struct medvl_marked text = {0};
    struct medvl_error err = {0};
    size_t sum = 0;

    if (medvl_chat_render(w, &text, in, flags, &err) < 0)
        must(err.code != MEDVL_OK && err.text[0] && !text.text.size);
    for (size_t i = 0; i < text.run_count; i++)
        sum += text.runs[i].size;
    must(sum == text.text.size &&
         (!sum || medvl_utf8_valid(text.text.data, sum) == sum));
    if (medvl_chat_encode(w, &out, encoder, in, flags, &err) == MEDVL_OK)
        for (size_t i = 0; i < out.tokens.count; i++) {
            must(out.tokens.ends[i] <= text.text.size);
            must(!i || out.tokens.ends[i] >= out.tokens.ends[i - 1]);
            must(!(flags & MEDVL_CHAT_PROMPT) || !out.loss_mask[i]);
        }
    medvl_chat_tokens_release(&out);
    medvl_marked_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct medvl_span rest = {(const char *)data + 1, size - 1};
    const size_t count = LAYOUT_COUNT + 2;
    struct medvl_chat_worker *w = NULL;
    struct medvl_chat *chat = NULL;
    struct medvl_chat_input in;
    size_t which;
    int rc;

    if (!size)
        return 0;
    open_tokenizer();
    which = data[0] % count;
    if (which < LAYOUT_COUNT)
        rc = medvl_chat_open(&chat, "no/such/folder", LAYOUTS[which], tok,
                             NULL);
    else
        rc = medvl_chat_new(&chat,
                            medvl_span(TEMPLATES[which - LAYOUT_COUNT]),
                            "<image>", tok, NULL);
    must(rc == MEDVL_OK && medvl_chat_worker_new(&w, chat, NULL) == MEDVL_OK);
    in.messages = next_part(&rest);
    in.variables = next_part(&rest);
    in.tools = next_part(&rest);
    in.documents = next_part(&rest);
    check(w, &in, data[0] & 128 ? MEDVL_CHAT_PROMPT : 0);
    medvl_chat_worker_free(w);
    medvl_chat_free(chat);
    return 0;
}
