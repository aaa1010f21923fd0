/*
 * The layouts that are built in; their templates take strings and parts.
 *
 * Those of fresh models write pictures as "<image>\n" where their part
 * stands.  Those of the original LLaVA code put the pictures of a message in
 * front of it, trimmed, as its training does; a system message of the record
 * replaces theirs, and turns must alternate.
 *
 * Read next: ../data/record.h.
 */
#include <string.h>

#include "lib/text/chat_part.h"

/* ---- fresh models ------------------------------------------------------ */

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

/* ---- the original LLaVA code ------------------------------------------- */

/*
 * What all of them begin with: show(message), "" where it says nothing;
 * `system`, else the layout's own; `turns`, which alternate.
 */
#define HEAD                                                              \
    "{%- macro show(message) %}\n"                                        \
    "    {%- set ns = namespace(images='', text='') %}\n"                 \
    "    {%- set content = message['content'] %}\n"                       \
    "    {%- if content is string %}\n"                                   \
    "        {%- set ns.text = content %}\n"                              \
    "    {%- else %}\n"                                                   \
    "        {%- for part in content or [] %}\n"                          \
    "            {%- if part['type'] == 'image' %}\n"                     \
    "                {%- set ns.images = ns.images ~ image ~ '\\n' %}\n"  \
    "            {%- elif part['type'] == 'text' %}\n"                    \
    "                {%- set ns.text = ns.text + part['text'] %}\n"       \
    "            {%- else %}\n"                                           \
    "                {{- raise_exception('unknown part of content') }}\n" \
    "            {%- endif %}\n"                                          \
    "        {%- endfor %}\n"                                             \
    "    {%- endif %}\n"                                                  \
    "    {%- set moved = content is not string and content and\n"         \
    "                    content[0]['type'] != 'image' %}\n"              \
    "    {%- if ns.images and (not ns.text or layout_trim == 'always'\n"  \
    "                          or layout_trim == 'moved' and moved) %}\n" \
    "        {{- (ns.images + ns.text | trim) | trim }}\n"                \
    "    {%- else %}\n"                                                   \
    "        {{- ns.images + ns.text }}\n"                                \
    "    {%- endif %}\n"                                                  \
    "{%- endmacro %}\n"                                                   \
    "{%- set system = layout_system %}\n"                                 \
    "{%- set turns = messages %}\n"                                       \
    "{%- if messages and messages[0]['role'] == 'system' %}\n"            \
    "    {%- set system = show(messages[0]) %}\n"                         \
    "    {%- set turns = messages[1:] %}\n"                               \
    "{%- endif %}\n"                                                      \
    "{%- for message in turns %}\n"                                       \
    "    {%- if message['role'] !=\n"                                     \
    "          ['user', 'assistant'][loop.index0 % 2] %}\n"               \
    "        {{- raise_exception('the turns must be of user and "         \
    "assistant, one after the other') }}\n"                               \
    "    {%- endif %}\n"                                                  \
    "{%- endfor %}\n"

static const char TWO[] =
    HEAD
    "{{- system + ' ' }}\n"
    "{%- for message in turns %}\n"
    "    {%- set text = show(message) %}\n"
    "    {{- ['USER', 'ASSISTANT'][loop.index0 % 2] + ':' }}\n"
    "    {{- ' ' + text + [' ', '</s>'][loop.index0 % 2] if text else '' }}\n"
    "{%- endfor %}\n"
    "{{- 'ASSISTANT:' if add_generation_prompt else '' }}\n";

static const char SINGLE[] =
    HEAD
    "{{- system + '###' }}\n"
    "{%- for message in turns %}\n"
    "    {%- set text = show(message) %}\n"
    "    {{- ['Human', 'Assistant'][loop.index0 % 2] + ':' }}\n"
    "    {{- ' ' + text + '###' if text else '' }}\n"
    "{%- endfor %}\n"
    "{{- 'Assistant:' if add_generation_prompt else '' }}\n";

/* The glue stands before every question but the first. */
static const char LLAMA_2[] =
    HEAD
    "{%- if turns and not show(turns[0]) %}\n"
    "    {{- raise_exception('the first message is empty') }}\n"
    "{%- endif %}\n"
    "{%- for message in turns %}\n"
    "    {%- set text = show(message) %}\n"
    "    {%- if loop.first and system %}\n"
    "        {%- set text = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' +\n"
    "                       text %}\n"
    "    {%- endif %}\n"
    "    {%- if text and message['role'] == 'user' %}\n"
    "        {{- '' if loop.first else layout_glue }}\n"
    "        {{- '[INST] ' + text + ' [/INST]' }}\n"
    "    {%- elif text %}\n"
    "        {{- ' ' + text + ' </s>' }}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n";

/* MPT and CHATML; the glue stands behind every turn. */
static const char IM_START[] =
    HEAD
    "{{- '<|im_start|>system\\n' + system + '<|im_end|>' + layout_glue }}\n"
    "{%- for message in turns %}\n"
    "    {%- set text = show(message) %}\n"
    "    {{- '<|im_start|>' + message['role'] + '\\n' }}\n"
    "    {{- text + '<|im_end|>' + layout_glue if text else '' }}\n"
    "{%- endfor %}\n"
    "{{- '<|im_start|>assistant\\n' if add_generation_prompt else '' }}\n";

/* Alignment: the question is not said. */
static const char PLAIN[] =
    HEAD
    "{%- for message in turns %}\n"
    "    {%- if message['role'] == 'assistant' %}\n"
    "        {{- show(message) + '\\n' }}\n"
    "    {%- elif message['content'] is not string %}\n"
    "        {%- for part in message['content'] or [] %}\n"
    "            {{- image_token if part['type'] == 'image' else '' }}\n"
    "        {%- endfor %}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n";

static const char HEADERS[] =
    HEAD
    "{{- '<|begin_of_text|><|start_header_id|>system<|end_header_id|>' +\n"
    "    '\\n\\n' + system | trim + '<|eot_id|>' }}\n"
    "{%- for message in turns %}\n"
    "    {{- '<|start_header_id|>' + message['role'] +\n"
    "        '<|end_header_id|>\\n\\n' + show(message) | trim +\n"
    "        '<|eot_id|>' }}\n"
    "{%- endfor %}\n"
    "{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n"
    "{%- endif %}\n";

/* A conversation that is over ends with the end token. */
static const char HUATUO[] =
    HEAD
    "{%- if system %}\n"
    "    {{- raise_exception('HuatuoGPT-Vision has no system message') }}\n"
    "{%- endif %}\n"
    "{%- for message in turns %}\n"
    "    {%- if message['role'] == 'user' %}\n"
    "        {{- '<|user|>\\n' + show(message) | trim + '\\n' }}\n"
    "    {%- else %}\n"
    "        {{- '<|assistant|>\\n' + show(message) + ' \\n' }}\n"
    "        {%- if loop.last and not add_generation_prompt %}\n"
    "            {{- eos_token }}\n"
    "        {%- endif %}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n"
    "{{- '<|assistant|>\\n' if add_generation_prompt else '' }}\n";

#define CURIOUS(who)                                                   \
    "A chat between a curious " who " and an artificial intelligence " \
    "assistant. The assistant gives helpful, detailed, and polite "    \
    "answers to the " who "'s questions."

static const char TAGGED[] =
    "A chat between a curious user and an artificial intelligence "
    "assistant. The assistant is able to understand the visual content that "
    "the user provides, and assist the user with a variety of tasks using "
    "natural language.The visual content will be provided with the "
    "following format: <Image>visual content</Image>.";

static const char VISUAL[] =
    "You are a helpful language and vision assistant. You are able to "
    "understand the visual content that the user provides, and assist the "
    "user with a variety of tasks using natural language.";

static const char MED[] =
    "You are LLaVA-Med, a large language and vision assistant trained by a "
    "group of researchers at Microsoft, based on the general domain LLaVA "
    "architecture.You are able to understand the visual content that the "
    "user provides, and assist the user with a variety of medical and "
    "clinical research tasks using natural language.Follow the instructions "
    "carefully and explain your answers in detail.";

/* ---- the list ----------------------------------------------------------- */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const NO_MARKS[] = {NULL};
static const char *const HEADER_MARKS[] = {
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    NULL,
};
static const char *const IM_MARKS[] = {"<|im_start|>", "<|im_end|>", NULL};
static const char *const END_MARKS[] = {"</s>", NULL};

static const struct medvl_chat_layout LAYOUTS[] = {
    {.name = "llama3",
     .template = LLAMA3,
     .marks = HEADER_MARKS + 1,
     .tokens = LLAMA3_TOKENS,
     .token_count = COUNT(LLAMA3_TOKENS),
     .begin = "<|begin_of_text|>",
     .end = "<|eot_id|>",
     .pad = "<|finetune_right_pad_id|>"},
    {.name = "chatml",
     .template = CHATML,
     .marks = IM_MARKS,
     .tokens = CHATML_TOKENS,
     .token_count = COUNT(CHATML_TOKENS),
     .end = "<|im_end|>",
     .pad = "<|endoftext|>"},
    {.name = "vicuna",
     .template = VICUNA,
     .marks = NO_MARKS,
     .tokens = VICUNA_TOKENS,
     .token_count = COUNT(VICUNA_TOKENS),
     .begin = "<s>",
     .end = "</s>",
     .pad = "<pad>"},
    {.name = "plain", .template = PLAIN, .marks = NO_MARKS, .system = ""},
    {.name = "v0",
     .template = SINGLE,
     .marks = NO_MARKS,
     .system = CURIOUS("human")},
    {.name = "v0_mmtag",
     .template = SINGLE,
     .marks = NO_MARKS,
     .system = TAGGED,
     .tagged = true},
    {.name = "v1",
     .template = TWO,
     .marks = END_MARKS,
     .system = CURIOUS("user")},
    {.name = "v1_mmtag",
     .template = TWO,
     .marks = END_MARKS,
     .system = TAGGED,
     .tagged = true},
    {.name = "llava_v1",
     .template = TWO,
     .marks = END_MARKS,
     .system = CURIOUS("human")},
    {.name = "llava_med_v1",
     .template = TWO,
     .marks = END_MARKS,
     .system = MED},
    {.name = "llava_llama_2",
     .template = LLAMA_2,
     .marks = END_MARKS,
     .system = VISUAL,
     .glue = "<s>"},
    {.name = "mistral_instruct",
     .template = LLAMA_2,
     .marks = END_MARKS,
     .system = "",
     .glue = ""},
    {.name = "chatml_direct",
     .template = IM_START,
     .marks = IM_MARKS,
     .system = "Answer the questions.",
     .glue = ""},
    {.name = "llava_llama_3",
     .template = HEADERS,
     .marks = HEADER_MARKS,
     .system = VISUAL,
     .trim = "moved"},
    {.name = "qwen_1_5",
     .template = IM_START,
     .marks = IM_MARKS,
     .system = "You are a helpful assistant.",
     .glue = "\n",
     .trim = "moved"},
    {.name = "huatuo",
     .template = HUATUO,
     .marks = NO_MARKS,
     .system = "",
     .trim = "never",
     .bare = true},
};

const struct medvl_chat_layout *medvl_chat_layout(const char *name)
{
    for (size_t i = 0; i < COUNT(LAYOUTS); i++)
        if (!strcmp(LAYOUTS[i].name, name))
            return &LAYOUTS[i];
    return NULL;
}

/* ---- which one a folder has ---------------------------------------------- */

bool medvl_chat_is_original(const struct medvl_json *config)
{
    static const char *const TYPES[] = {"llava_llama", "llava_mistral",
                                        "llava_qwen", "llava_qwen2"};
    const char *type = medvl_json_string(medvl_json_get(config,
                                                        "model_type"));

    for (size_t i = 0; type && i < COUNT(TYPES); i++)
        if (!strcmp(TYPES[i], type))
            return true;
    /* the first LLaVA, and LLaVA-Med, used the name that transformers' has */
    return type && !strcmp(type, "llava") &&
           medvl_json_get(config, "mm_vision_tower") &&
           !medvl_json_get(config, "text_config");
}

/*
 * Vicuna's vocabulary has 32,000 entries (or 3 more, for the marks around a
 * picture), Llama 3's 128,256.  That of Yi is of llava-v1.6-34b
 * (chatml_direct) and of HuatuoGPT-Vision-34B (huatuo): nothing in their
 * config.json tells them apart for sure.
 */
const char *medvl_chat_layout_of(const struct medvl_json *config)
{
    const char *type = medvl_json_string(medvl_json_get(config,
                                                        "model_type"));
    const double size = medvl_json_number(medvl_json_get(config,
                                                         "vocab_size"),
                                          0);

    if (!type)
        return NULL;
    if (!strcmp(type, "llava_mistral"))
        return "mistral_instruct";
    if (!strcmp(type, "llava_qwen"))
        return "qwen_1_5";
    if (!strcmp(type, "llava_qwen2"))
        return "huatuo";
    if (!strcmp(type, "llava_llama") && size >= 32000 && size <= 32003)
        return "v1";
    if (!strcmp(type, "llava_llama") && size == 128256)
        return "llava_llama_3";
    return NULL;
}
