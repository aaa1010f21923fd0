/*
 * The layouts of fresh models.  Their templates take strings and parts;
 * pictures come as "<image>\n" where their part stands.
 *
 * Read next: ../data/record.h.
 */
#include "lib/text/chat.h"

#include <string.h>

/* The content of a message, whatever its form. */
#define CONTENT                                                           \
    "{%- macro show(content) %}\n"                                        \
    "    {%- if content is string %}\n"                                   \
    "        {{- content }}\n"                                            \
    "    {%- else %}\n"                                                   \
    "        {%- for part in content %}\n"                                \
    "            {%- if part['type'] == 'image' %}\n"                     \
    "                {{- '" MEDVL_CHAT_IMAGE "\\n' }}\n"                  \
    "            {%- elif part['type'] == 'text' %}\n"                    \
    "                {{- part['text'] }}\n"                               \
    "            {%- else %}\n"                                           \
    "                {{- raise_exception('unknown part of content') }}\n" \
    "            {%- endif %}\n"                                          \
    "        {%- endfor %}\n"                                             \
    "    {%- endif %}\n"                                                  \
    "{%- endmacro %}\n"

static const char LLAMA3[] =
    CONTENT
    "{{- bos_token }}\n"
    "{%- for message in messages %}\n"
    "    {{- '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n' }}\n"
    "    {{- show(message['content']) | trim + '<|eot_id|>' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n"
    "{%- endif %}\n";

static const char CHATML[] =
    CONTENT
    "{%- for message in messages %}\n"
    "    {{- '<|im_start|>' + message['role'] + '\\n' }}\n"
    "    {{- show(message['content']) + '<|im_end|>\\n' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|im_start|>assistant\\n' }}\n"
    "{%- endif %}\n";

static const char VICUNA[] =
    CONTENT
    "{{- bos_token }}\n"
    "{%- for message in messages %}\n"
    "    {%- if message['role'] == 'system' %}\n"
    "        {{- show(message['content']) | trim + ' ' }}\n"
    "    {%- elif message['role'] == 'user' %}\n"
    "        {{- 'USER: ' + show(message['content']) | trim + ' ' }}\n"
    "    {%- elif message['role'] == 'assistant' %}\n"
    "        {{- 'ASSISTANT: ' + show(message['content']) | trim + "
    "eos_token }}\n"
    "    {%- else %}\n"
    "        {{- raise_exception('no place for the role ' + "
    "message['role']) }}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- 'ASSISTANT:' }}\n"
    "{%- endif %}\n";

static const struct medvl_added_token LLAMA3_TOKENS[] = {
    {"<|begin_of_text|>", true},
    {"<|start_header_id|>", true},
    {"<|end_header_id|>", true},
    {"<|eot_id|>", true},
    {"<|finetune_right_pad_id|>", true},
    {MEDVL_CHAT_IMAGE, true},
};

static const struct medvl_added_token CHATML_TOKENS[] = {
    {"<|endoftext|>", true},
    {"<|im_start|>", true},
    {"<|im_end|>", true},
    {MEDVL_CHAT_IMAGE, true},
};

static const struct medvl_added_token VICUNA_TOKENS[] = {
    {"<s>", true},
    {"</s>", true},
    {"<pad>", true},
    {MEDVL_CHAT_IMAGE, true},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct medvl_chat_layout *medvl_chat_layout(const char *name)
{
    static const struct medvl_chat_layout LAYOUTS[] = {
        {"llama3", LLAMA3, LLAMA3_TOKENS, COUNT(LLAMA3_TOKENS),
         "<|begin_of_text|>", "<|eot_id|>", "<|finetune_right_pad_id|>"},
        {"chatml", CHATML, CHATML_TOKENS, COUNT(CHATML_TOKENS), NULL,
         "<|im_end|>", "<|endoftext|>"},
        {"vicuna", VICUNA, VICUNA_TOKENS, COUNT(VICUNA_TOKENS), "<s>",
         "</s>", "<pad>"},
    };

    for (size_t i = 0; i < COUNT(LAYOUTS); i++)
        if (!strcmp(LAYOUTS[i].name, name))
            return &LAYOUTS[i];
    return NULL;
}
