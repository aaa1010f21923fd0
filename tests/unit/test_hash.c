/* Hashes.  The module is lib/base/hash.h. */
#include "tests/unit/check.h"

#include "lib/base/hash.h"

/* The values that xxhsum prints for the same bytes. */
static void hashes_are_those_of_xxhsum(void **state)
{
    char hex[33];

    (void)state;
    medvl_hash64_hex(hex, medvl_hash64("", 0));
    assert_string_equal(hex, "ef46db3751d8e999");
    medvl_hash64_hex(hex, medvl_hash64("abc", 3));
    assert_string_equal(hex, "44bc2cf5ad770999");
    medvl_hash128_hex(hex, "", 0);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    medvl_hash128_hex(hex, "abc", 3);
    assert_string_equal(hex, "06b05ab6733a618578af5f94892f3950");
}

static void pieces_give_the_hash_of_the_whole(void **state)
{
    struct medvl_error err = {0};
    struct medvl_hash *hash;
    char data[5000], whole[33], pieces[33];
    size_t at, i;

    (void)state;
    for (i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    medvl_hash128_hex(whole, data, sizeof(data));
    CHECK_OK(medvl_hash_new(&hash, &err), &err);
    for (at = 0, i = 0; at < sizeof(data); at += i, i++)
        medvl_hash_add(hash, data + at,
                       i < sizeof(data) - at ? i : sizeof(data) - at);
    medvl_hash_hex(pieces, hash);
    assert_string_equal(pieces, whole);
    medvl_hash_hex(pieces, hash); /* asking changes nothing */
    assert_string_equal(pieces, whole);
    medvl_hash_free(hash);
    medvl_hash_free(NULL);
}

static void the_crc_is_that_of_zlib_and_goes_on(void **state)
{
    (void)state;
    assert_int_equal(medvl_crc32(0, "", 0), 0);
    assert_int_equal(medvl_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(medvl_crc32(medvl_crc32(0, "1234", 4), "56789", 5),
                     0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_xxhsum),
        cmocka_unit_test(the_crc_is_that_of_zlib_and_goes_on),
        cmocka_unit_test(pieces_give_the_hash_of_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
