/*
 * A program of your own over the library: adds "words", the number of words
 * of "text", to each record of standard input.
 *
 *     cc embed.c $(pkg-config --cflags --libs medvl) -o embed
 *     echo '{"id":"a","text":"no acute findings"}' | ./embed
 *
 * It is a map, like most commands: the library reads, calls record() for
 * each, keeps the order and names the place of a bad one.
 */
#include <stdio.h>

#include <medvl/stage/loop.h>

static int64_t count_words(struct medvl_span text)
{
    int64_t words = 0;
    bool inside = false;
    size_t i;

    for (i = 0; i < text.size; i++) {
        const bool blank = text.data[i] == ' ' || text.data[i] == '\n';

        words += !blank && !inside;
        inside = !blank;
    }
    return words;
}

static int record(void *worker, struct medvl_record *rec,
                  struct medvl_out *out, struct medvl_error *err)
{
    struct medvl_text text = {0}, number = {0};
    int rc;

    (void)worker;
    rc = medvl_record_read_text(&text, rec, "text", err);
    if (rc == MEDVL_OK)
        rc = medvl_text_printf(&number, err, "%lld",
                               (long long)count_words(medvl_text_span(&text)));
    if (rc == MEDVL_OK)
        rc = medvl_record_set(rec, "words", medvl_text_span(&number), err);
    if (rc == MEDVL_OK)
        rc = medvl_out_write(out, rec, err);
    medvl_text_release(&text);
    medvl_text_release(&number);
    return rc;
}

int main(void)
{
    const struct medvl_map map = {.record = record};
    const struct medvl_loop_options loop = {0};
    struct medvl_error err = {0};

    if (medvl_loop_map(&map, NULL, &loop, NULL, &err) < 0) {
        fprintf(stderr, "embed: %s\n", err.text);
        return 1;
    }
    return 0;
}
