/*
 * CLIP's merges.  Their vocabulary follows from them: the bytes, the bytes
 * at the end of a word, what each merge makes, begin and end.
 *
 * Read next: tiktoken_json.c.
 */
#include <string.h>

#include "lib/text/tiktoken_part.h"

#define CLIP_MERGES 48894
#define CLIP_BEGIN  (512 + CLIP_MERGES)

static const char CLIP_HEAD[] = "\"bpe_simple_vocab";

#define CLIP_REPLACE(from, to)                                     \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" from "\"}," \
    "\"content\":\"" to "\"},"

/* That of "&" comes last, so that nothing is undone twice in one go. */
#define CLIP_UNESCAPE              \
    CLIP_REPLACE("&lt;", "<")      \
    CLIP_REPLACE("&gt;", ">")      \
    CLIP_REPLACE("&quot;", "\\\"") \
    CLIP_REPLACE("&#39;", "'")     \
    CLIP_REPLACE("&apos;", "'")    \
    CLIP_REPLACE("&nbsp;", " ")    \
    CLIP_REPLACE("&amp;", "&")

static const char CLIP_NORMALIZER[] =
    "{\"type\":\"Sequence\",\"normalizers\":[" CLIP_UNESCAPE CLIP_UNESCAPE
    "{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":{\"Regex\":"
    "\"\\\\s+\"},\"content\":\" \"},{\"type\":\"Lowercase\"}]}";

static const char CLIP_PRE_TOKENIZER[] =
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
    "\"pattern\":{\"Regex\":\"'s|'t|'re|'ve|'m|'ll|'d|[\\\\p{L}]+|"
    "[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},\"behavior\":\"Removed\","
    "\"invert\":true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
    "\"trim_offsets\":true,\"use_regex\":true}]}";

static const char CLIP_POST_PROCESSOR[] =
    "{\"type\":\"RobertaProcessing\",\"sep\":[\"<|endoftext|>\",49407],"
    "\"cls\":[\"<|startoftext|>\",49406],\"trim_offsets\":false,"
    "\"add_prefix_space\":false}";

bool medvl_is_clip_merges(struct medvl_span file)
{
    const size_t size = sizeof(CLIP_HEAD) - 1;

    return file.size > size && memcmp(file.data, CLIP_HEAD, size) == 0;
}

/* The two of a merge; false if the line is none. */
static bool cut_merge(struct medvl_span line, struct medvl_span *left,
                      struct medvl_span *right)
{
    const char *space = memchr(line.data, ' ', line.size);

    if (!space || memchr(line.data, '\0', line.size) ||
        medvl_utf8_valid(line.data, line.size) != line.size)
        return false;
    *left = (struct medvl_span){line.data, (size_t)(space - line.data)};
    *right = (struct medvl_span){space + 1, line.size - left->size - 1};
    return left->size > 0 && right->size > 0 &&
           !memchr(right->data, ' ', right->size);
}

/* The 256 bytes, visible ones first, and again at the end of a word. */
static void write_clip_bytes(struct medvl_vocab_writer *writer)
{
    int32_t id = 0;

    for (int part = 0; part < 4; part++) {
        for (unsigned i = 0; i < 256; i++) {
            const char byte = (char)i;

            if (medvl_vocab_is_visible(i) != (part % 2 == 0))
                continue;
            medvl_vocab_add_bytes(writer, (struct medvl_span){&byte, 1});
            medvl_vocab_add(writer, medvl_span(part >= 2 ? "</w>" : ""));
            medvl_vocab_put_token(writer, id++);
        }
    }
}

/* One pass over the merges: the tokens that they make, or they. */
static int write_clip_lines(struct medvl_vocab_writer *writer,
                            struct medvl_span file, bool tokens,
                            struct medvl_error *err)
{
    struct medvl_span line = {0};
    struct medvl_span left, right;

    (void)medvl_vocab_line(&file, &line);
    for (int32_t i = 0; i < CLIP_MERGES; i++) {
        if (!medvl_vocab_line(&file, &line) || !cut_merge(line, &left, &right))
            return medvl_fail(err, MEDVL_EFORMAT,
                              "line %d is no merge, of %d there should be",
                              i + 2, CLIP_MERGES);
        medvl_vocab_add(writer, left);
        medvl_vocab_add(writer, medvl_span(tokens ? "" : " "));
        medvl_vocab_add(writer, right);
        if (tokens)
            medvl_vocab_put_token(writer, 512 + i);
        else
            medvl_vocab_put_merge(writer);
    }
    return MEDVL_OK;
}

int medvl_clip_to_json(struct medvl_text *json, struct medvl_span file,
                       struct medvl_error *err)
{
    struct medvl_vocab_writer writer = {.json.out = json};
    const size_t before = json->size;
    int rc;

    medvl_vocab_begin(&writer);
    medvl_vocab_put_added(&writer, CLIP_BEGIN, "<|startoftext|>", true);
    medvl_vocab_put_added(&writer, CLIP_BEGIN + 1, "<|endoftext|>", true);
    medvl_json_end(&writer.json);
    medvl_vocab_put_raw(&writer, "normalizer", CLIP_NORMALIZER);
    medvl_vocab_put_raw(&writer, "pre_tokenizer", CLIP_PRE_TOKENIZER);
    medvl_vocab_put_raw(&writer, "post_processor", CLIP_POST_PROCESSOR);
    medvl_vocab_begin_model(&writer, "\"<|endoftext|>\"", "\"</w>\"", false);
    write_clip_bytes(&writer);
    rc = write_clip_lines(&writer, file, true, err);
    medvl_json_put_int(&writer.json, "<|startoftext|>", CLIP_BEGIN);
    medvl_json_put_int(&writer.json, "<|endoftext|>", CLIP_BEGIN + 1);
    medvl_vocab_begin_merges(&writer);
    if (rc == MEDVL_OK)
        rc = write_clip_lines(&writer, file, false, err);
    return medvl_vocab_end(&writer, before, rc, err);
}
