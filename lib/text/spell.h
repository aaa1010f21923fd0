/*
 * Bytes as characters: byte-level vocabularies spell each of the 256 with
 * one that can be seen.
 *
 * Source: bytes_to_unicode of GPT-2's encoder.
 *
 * Read next: bpe.h.
 */
#ifndef MEDVL_TEXT_SPELL_H
#define MEDVL_TEXT_SPELL_H

#include <stdint.h>

#include "lib/base/text.h"

/* The character that spells a byte, and the byte that one spells, or -1. */
uint32_t medvl_byte_rune(unsigned char byte);
int medvl_rune_byte(uint32_t rune);

/*
 * Append the bytes that `spelling` stands for.  Returns 1, or 0 when some
 * character of it spells no byte: then `out` is as it was.
 */
int medvl_spelled_bytes(struct medvl_text *out, struct medvl_span spelling,
                        struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
