/* Pseudonyms.  The module is lib/base/secret.h. */
#include "lib/base/secret.h"
#include "tests/unit/check.h"

static struct medvl_error err;

/* A key file of that text. */
static int read_key(struct medvl_secret **out, const char *text)
{
    char *path = check_temp("key");
    FILE *file = fopen(path, "wb");
    int rc;

    assert_true(file && fputs(text, file) >= 0 && !fclose(file));
    rc = medvl_secret_read(out, path, &err);
    medvl_free(path);
    return rc;
}

/* Value by Python: blake2b(b"patient\\0x", digest_size=16,
 * key=blake2b(b"sixteen bytes...", digest_size=64).digest()) */
static void a_name_is_keyed_blake2b_of_purpose_and_identifier(void **state)
{
    struct medvl_secret *secret = NULL;
    char name[33];

    (void)state;
    CHECK_OK(read_key(&secret, "sixteen bytes..."), &err);
    medvl_secret_name(name, secret, "patient", medvl_span("x"));
    assert_string_equal(name, "528715fd55c71c368e0b7fbb048aae26");
    medvl_secret_free(secret);
}

static void keys_and_purposes_make_other_names(void **state)
{
    struct medvl_secret *a = NULL, *b = NULL;
    char one[33], other[33];

    (void)state;
    CHECK_OK(read_key(&a, "sixteen bytes..."), &err);
    CHECK_OK(read_key(&b, "sixteen bytes.!."), &err);
    medvl_secret_name(one, a, "patient", medvl_span("x"));
    medvl_secret_name(other, b, "patient", medvl_span("x"));
    assert_string_not_equal(one, other);
    medvl_secret_name(other, a, "study", medvl_span("x"));
    assert_string_not_equal(one, other);
    medvl_secret_name(other, a, "patient", medvl_span("x"));
    assert_string_equal(one, other);
    medvl_secret_free(a);
    medvl_secret_free(b);
    medvl_secret_free(NULL);
}

static void a_short_key_is_refused(void **state)
{
    struct medvl_secret *secret = NULL;

    (void)state;
    CHECK_FAILS(read_key(&secret, "fifteen bytes.."), MEDVL_EARG, &err,
                "urandom");
    assert_null(secret);
    CHECK_FAILS(medvl_secret_read(&secret, "/nowhere/key", &err), MEDVL_EIO,
                &err, "/nowhere/key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_keyed_blake2b_of_purpose_and_identifier),
        cmocka_unit_test(keys_and_purposes_make_other_names),
        cmocka_unit_test(a_short_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
