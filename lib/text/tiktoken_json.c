/*
 * The pieces of a tokenizer.json that both readers write.
 *
 * Read next: tokenizer.c.
 */
#include <string.h>

#include "lib/text/tiktoken_part.h"

/*
 * Bytes as tokenizer.json spells them: those that are visible as Latin-1 as
 * themselves, the others as the characters from U+0100 on.
 */
bool medvl_vocab_is_visible(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

static uint32_t spelling(unsigned byte)
{
    uint32_t rune = 256;

    if (medvl_vocab_is_visible(byte))
        return byte;
    for (unsigned i = 0; i < byte; i++)
        rune += !medvl_vocab_is_visible(i);
    return rune;
}

void medvl_vocab_add(struct medvl_vocab_writer *writer, struct medvl_span span)
{
    struct medvl_error *err = &writer->json.err;

    if (err->code == MEDVL_OK &&
        medvl_text_append(&writer->string, span.data, span.size, err) < 0)
        return;
}

void medvl_vocab_add_bytes(struct medvl_vocab_writer *writer,
                           struct medvl_span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        char out[4];
        const int size = medvl_utf8_encode(
            out, spelling((unsigned char)bytes.data[i]));

        medvl_vocab_add(writer, (struct medvl_span){out, (size_t)size});
    }
}

void medvl_vocab_put_token(struct medvl_vocab_writer *writer, int32_t id)
{
    const char *name = writer->string.data ? writer->string.data : "";

    medvl_json_put_int(&writer->json, name, id);
    medvl_text_clear(&writer->string);
}

void medvl_vocab_put_merge(struct medvl_vocab_writer *writer)
{
    medvl_json_put_string(&writer->json, NULL,
                          medvl_text_span(&writer->string));
    medvl_text_clear(&writer->string);
}

void medvl_vocab_put_added(struct medvl_vocab_writer *writer, int32_t id,
                           const char *content, bool normalized)
{
    struct medvl_json_writer *json = &writer->json;

    medvl_json_begin(json, NULL, '{');
    medvl_json_put_int(json, "id", id);
    medvl_json_put_string(json, "content", medvl_span(content));
    medvl_json_put_bool(json, "single_word", false);
    medvl_json_put_bool(json, "lstrip", false);
    medvl_json_put_bool(json, "rstrip", false);
    medvl_json_put_bool(json, "normalized", normalized);
    medvl_json_put_bool(json, "special", true);
    medvl_json_end(json);
}

void medvl_vocab_put_raw(struct medvl_vocab_writer *writer, const char *name,
                         const char *value)
{
    medvl_json_put_raw(&writer->json, name, medvl_span(value));
}

static const char DECODER[] =
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
    "\"trim_offsets\":true,\"use_regex\":true}";

void medvl_vocab_begin(struct medvl_vocab_writer *writer)
{
    medvl_json_begin(&writer->json, NULL, '{');
    medvl_vocab_put_raw(writer, "version", "\"1.0\"");
    medvl_vocab_put_raw(writer, "truncation", "null");
    medvl_vocab_put_raw(writer, "padding", "null");
    medvl_json_begin(&writer->json, "added_tokens", '[');
}

void medvl_vocab_begin_model(struct medvl_vocab_writer *writer, const char *unk,
                             const char *suffix, bool ignore_merges)
{
    struct medvl_json_writer *json = &writer->json;

    medvl_vocab_put_raw(writer, "decoder", DECODER);
    medvl_json_begin(json, "model", '{');
    medvl_vocab_put_raw(writer, "type", "\"BPE\"");
    medvl_vocab_put_raw(writer, "dropout", "null");
    medvl_vocab_put_raw(writer, "unk_token", unk);
    medvl_vocab_put_raw(writer, "continuing_subword_prefix", "\"\"");
    medvl_vocab_put_raw(writer, "end_of_word_suffix", suffix);
    medvl_json_put_bool(json, "fuse_unk", false);
    medvl_json_put_bool(json, "byte_fallback", false);
    medvl_json_put_bool(json, "ignore_merges", ignore_merges);
    medvl_json_begin(json, "vocab", '{');
}

void medvl_vocab_begin_merges(struct medvl_vocab_writer *writer)
{
    medvl_json_end(&writer->json);
    medvl_json_begin(&writer->json, "merges", '[');
}

int medvl_vocab_end(struct medvl_vocab_writer *writer, size_t before, int rc,
                    struct medvl_error *err)
{
    if (rc == MEDVL_OK) {
        while (writer->json.depth > 0 && writer->json.err.code == MEDVL_OK)
            medvl_json_end(&writer->json);
        rc = medvl_json_write_end(&writer->json, err);
    }
    if (rc < 0)
        writer->json.out->size = before;
    medvl_text_release(&writer->string);
    return rc;
}

bool medvl_vocab_line(struct medvl_span *file, struct medvl_span *line)
{
    const char *end;

    if (file->size == 0)
        return false;
    end = memchr(file->data, '\n', file->size);
    *line = (struct medvl_span){file->data, end ? (size_t)(end - file->data)
                                                : file->size};
    file->data += line->size + (end != NULL);
    file->size -= line->size + (end != NULL);
    return true;
}
