/*
 * The visible bytes of Latin-1 spell themselves, the others the characters
 * from 256 on.
 *
 * Read next: bpe.c.
 */
#include "lib/text/spell.h"

uint32_t medvl_byte_rune(unsigned char byte)
{
    if ((byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173))
        return byte;
    if (byte <= 32)
        return 256u + byte;
    if (byte <= 160)
        return 256u + 33 + (byte - 127u);
    return 0x143;
}

int medvl_rune_byte(uint32_t rune)
{
    if (rune < 256)
        return medvl_byte_rune((unsigned char)rune) == rune ? (int)rune : -1;
    if (rune <= 256 + 32)
        return (int)rune - 256;
    if (rune < 0x143)
        return (int)rune - 256 - 33 + 127;
    return rune == 0x143 ? 173 : -1;
}

int medvl_spelled_bytes(struct medvl_text *out, struct medvl_span spelling,
                        struct medvl_error *err)
{
    const size_t before = out->size;
    const int rc = medvl_text_reserve(out, spelling.size, err);

    if (rc < 0)
        return rc;
    for (size_t at = 0; at < spelling.size;) {
        uint32_t rune = 0;
        const int size = medvl_utf8_decode(&rune, spelling.data + at,
                                           spelling.size - at);
        const int byte = size > 0 ? medvl_rune_byte(rune) : -1;

        if (byte < 0) {
            out->size = before;
            out->data[before] = '\0';
            return 0;
        }
        out->data[out->size++] = (char)byte;
        at += (size_t)size;
    }
    out->data[out->size] = '\0';
    return 1;
}
