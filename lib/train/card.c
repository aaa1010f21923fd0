/*
 * The model card: front matter in YAML, tables in Markdown.
 *
 * Read next: snapshot.c.
 */
#include "lib/train/card.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/mem.h"

#define TITLE     "# What this model was trained on\n"
#define ROWS      ((int64_t)1000) /* of a table */
#define CARD_MOST ((size_t)4 << 20)

/* The first failure stays. */
struct card {
    struct medvl_text *out;
    struct medvl_error *err;
    int rc;
};

static void put(struct card *c, const char *text)
{
    if (c->rc == MEDVL_OK)
        c->rc = medvl_text_puts(c->out, text, c->err);
}

static void put_int(struct card *c, int64_t value)
{
    if (c->rc == MEDVL_OK)
        c->rc = medvl_text_printf(c->out, c->err, "%lld", (long long)value);
}

/* In Markdown: nothing in it is a mark, a tag or the end of a cell. */
static void put_plain(struct card *c, struct medvl_span text)
{
    for (size_t i = 0; i < text.size && c->rc == MEDVL_OK; i++) {
        const char byte = text.data[i];

        if ((unsigned char)byte < ' ' || byte == 127)
            c->rc = medvl_text_putc(c->out, ' ', c->err);
        else if (strchr("|<>&[]`*\\", byte))
            c->rc = medvl_text_printf(c->out, c->err, "&#%d;", byte);
        else
            c->rc = medvl_text_putc(c->out, byte, c->err);
    }
}

static void put_quoted(struct card *c, struct medvl_span text)
{
    if (c->rc == MEDVL_OK)
        c->rc = medvl_json_quote(c->out, text, c->err);
}

/* Would the hub take it for a name: "owner/name", or "name"? */
static bool is_name(struct medvl_span text, bool owner)
{
    int slashes = 0;

    if (text.size < 1 || text.size > 96 ||
        !isalnum((unsigned char)text.data[0]) ||
        !isalnum((unsigned char)text.data[text.size - 1]))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const char byte = text.data[i];

        slashes += byte == '/';
        if (!isalnum((unsigned char)byte) && !strchr("-_./", byte))
            return false;
        if (i > 0 && strchr("-./", byte) && strchr("-./", text.data[i - 1]))
            return false;
    }
    return slashes == 1 || (slashes == 0 && !owner);
}

/* ---- what the run began with ------------------------------------------ */

struct base {
    struct medvl_text name;  /* on the hub; empty: not known */
    struct medvl_text card;  /* its own, from the title on; or empty */
    struct medvl_json *json; /* its config.json */
};

/* The value of a line `key: "value"` of the front matter. */
static struct medvl_span front(const struct medvl_text *text, const char *key)
{
    const char *at = text->data ? strstr(text->data, key) : NULL;
    const char *end = at ? strchr(at + strlen(key), '"') : NULL;
    struct medvl_span none = {0};

    if (!end)
        return none;
    at += strlen(key);
    return (struct medvl_span){at, (size_t)(end - at)};
}

/* The card that medvl wrote into the base folder; else *card stays empty. */
static int read_card(struct base *b, const char *folder,
                     struct medvl_error *err)
{
    struct medvl_text text = {0};
    char *path = NULL;
    const char *title;
    struct medvl_span name;
    int rc = medvl_path_join(&path, folder, "README.md", err);

    if (rc == MEDVL_OK && medvl_file_exists(path))
        rc = medvl_file_read_regular(&text, path, CARD_MOST, err);
    title = text.data ? strstr(text.data, "\n" TITLE) : NULL;
    if (rc == MEDVL_OK && title) {
        name = front(&text, "\nbase_model: \"");
        rc = medvl_text_append(&b->name, name.data, name.size, err);
    }
    if (rc == MEDVL_OK && title)
        rc = medvl_text_puts(&b->card, title + 1, err);
    medvl_text_release(&text);
    medvl_free(path);
    return rc;
}

static int read_base(struct base *b, const struct medvl_model *model,
                     struct medvl_error *err)
{
    const char *name;
    int rc = medvl_json_parse(&b->json, medvl_text_span(&model->config.json),
                              err);

    if (rc == MEDVL_OK && model->folder)
        rc = read_card(b, model->folder, err);
    name = medvl_json_string(medvl_json_get(b->json, "_name_or_path"));
    if (rc == MEDVL_OK && !b->name.size && name &&
        is_name(medvl_span(name), true))
        rc = medvl_text_puts(&b->name, name, err);
    return rc;
}

static void release_base(struct base *b)
{
    medvl_text_release(&b->name);
    medvl_text_release(&b->card);
    medvl_json_free(b->json);
}

/* ---- front matter ------------------------------------------------------ */

/* Every source once whose name the hub takes for a data set's. */
static void put_datasets(struct card *c, const struct medvl_dataset *data)
{
    struct medvl_origin *list = NULL;
    const struct medvl_origins *origins = medvl_dataset_origins(data);
    const int64_t count = origins->keys.count;
    bool any = false;

    if (c->rc == MEDVL_OK)
        c->rc = medvl_origins_list(&list, origins, c->err);
    for (int64_t i = 0, rows = 0; c->rc == MEDVL_OK && i < count; i++) {
        if (!is_name(list[i].source, false) || rows >= ROWS ||
            (i > 0 && medvl_span_equal(list[i].source, list[i - 1].source)))
            continue;
        put(c, any ? "- " : "datasets:\n- ");
        put_quoted(c, list[i].source);
        put(c, "\n");
        any = true;
        rows++;
    }
    medvl_free(list);
}

static void put_front(struct card *c, const struct medvl_session *s,
                      const struct base *b)
{
    put(c, "---\nlibrary_name: transformers\npipeline_tag: ");
    put(c, s->frontend ? "image-text-to-text" : "text-generation");
    put(c, "\ntags:\n- medvl\nlicense: other\n"
           "license_name: see-base-model-and-data\n");
    if (b->name.size) {
        put(c, "base_model: ");
        put_quoted(c, medvl_text_span(&b->name));
        put(c, "\n");
    }
    put_datasets(c, medvl_loader_data(s->data));
    put(c, "---\n\n");
}

/* ---- the page ---------------------------------------------------------- */

/* Options that change what is learned: those that name places left out. */
static void put_options_hash(struct card *c, const struct medvl_session *s)
{
    struct medvl_train_options o = s->options;
    struct medvl_text text = {0};
    char hex[33];

    o.model = o.output = "";
    o.root = NULL;
    o.data_count = o.eval_count = 0;
    if (c->rc == MEDVL_OK)
        c->rc = medvl_train_options_write(&text, &o, "", NULL, c->err);
    if (c->rc == MEDVL_OK) {
        medvl_hash128_hex(hex, text.data, text.size);
        put(c, hex);
    }
    medvl_text_release(&text);
}

/* A tower that config.json names, as LLaVA's own code does. */
static bool trains_tower(const struct medvl_model *m)
{
    bool trained = false;

    for (int64_t i = 0; i < m->count; i++)
        trained |= m->params[i].trained &&
                   medvl_model_part(m, &m->params[i]) == MEDVL_PART_VISION;
    return trained && m->config.naming == MEDVL_NAMING_ORIGINAL;
}

static void put_base(struct card *c, const struct medvl_session *s,
                     const struct base *b)
{
    const struct medvl_text *json = &s->model->config.json;
    char hex[33];

    medvl_hash128_hex(hex, json->data, json->size);
    put(c, TITLE "\nWritten by medvl-train of medvl " MEDVL_VERSION
                 ".  Hashes are XXH3-128.  Whether the model may be\nused, "
                 "and for what, follows from the licences of its base model "
                 "and of the data.\n\n- Base model: ");
    if (b->name.size)
        put_plain(c, medvl_text_span(&b->name));
    else
        put(c, "without a name on the hub");
    put(c, "; its config.json has the hash ");
    put(c, hex);
    put(c, "\n- Options: hash ");
    put_options_hash(c, s);
    put(c, ", seed ");
    put_int(c, s->options.seed);
    put(c, ", objective ");
    put_plain(c, medvl_span(s->options.objective));
    put(c, ", trained parts ");
    put_plain(c, medvl_span(s->options.train ? s->options.train : "all"));
    put(c, "\n");
    if (trains_tower(s->model))
        put(c, "- Vision tower: trained; it is in the model's own weights, as "
               "`unfreeze_mm_vision_tower` of\n  config.json says, and "
               "`mm_vision_tower` names what it was before\n");
}

static void put_sets(struct card *c, const struct medvl_dataset *data)
{
    struct medvl_dataset_set set;

    put(c, "\n| Data | Records | Weight | Hash |\n|---|---|---|---|\n");
    for (int64_t i = 0; medvl_dataset_set(&set, data, i); i++) {
        char number[32];

        medvl_format_double(number, set.weight);
        put(c, set.shards ? "| shards | " : "| JSON Lines | ");
        put_int(c, set.records);
        put(c, " | ");
        put(c, number);
        put(c, " | ");
        put(c, set.hash);
        put(c, " |\n");
    }
}

static void put_said(struct card *c, struct medvl_span text)
{
    if (text.size)
        put_plain(c, text);
    else
        put(c, "not said");
    put(c, " | ");
}

static void put_origins(struct card *c, const struct medvl_dataset *data)
{
    const struct medvl_origins *origins = medvl_dataset_origins(data);
    const int64_t count = origins->keys.count;
    struct medvl_origin *list = NULL;
    int64_t rest = 0;

    put(c, "\n| Source | Licence | Records |\n|---|---|---|\n");
    if (c->rc == MEDVL_OK)
        c->rc = medvl_origins_list(&list, origins, c->err);
    for (int64_t i = 0; c->rc == MEDVL_OK && i < count; i++) {
        if (i >= ROWS) {
            rest += list[i].records;
            continue;
        }
        put(c, "| ");
        put_said(c, list[i].source);
        put_said(c, list[i].license);
        put_int(c, list[i].records);
        put(c, " |\n");
    }
    if (rest) {
        put(c, "| ");
        put_int(c, count - ROWS);
        put(c, " more | | ");
        put_int(c, rest);
        put(c, " |\n");
    }
    medvl_free(list);
}

static void put_data(struct card *c, const char *title,
                     const struct medvl_loader *loader)
{
    if (!loader)
        return;
    put(c, title);
    put_sets(c, medvl_loader_data(loader));
    put_origins(c, medvl_loader_data(loader));
}

int medvl_card_write(struct medvl_text *out,
                     const struct medvl_session *session,
                     struct medvl_error *err)
{
    struct card c = {.out = out, .err = err};
    struct base base = {0};

    c.rc = read_base(&base, session->model, err);
    put_front(&c, session, &base);
    put_base(&c, session, &base);
    put_data(&c, "\n## Training data\n", session->data);
    put_data(&c, "\n## Held-out data\n\nLooked at while training, never "
                 "learned from.\n",
             session->eval);
    if (base.card.size) {
        put(&c, "\n---\n\nIts base model's own page:\n\n");
        put(&c, base.card.data);
    }
    release_base(&base);
    return c.rc;
}
