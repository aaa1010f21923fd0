/*
 * A model folder of strangers: up to the first zero byte an index, and after
 * it the file "1.safetensors"; without an index, model.safetensors.  What
 * opens is read to its last byte, and opened as a small Llama.
 *
 * Read next: driver.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/mem.h"
#include "lib/model/checkpoint.h"
#include "lib/tensor/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const char *folder, const char *name, const uint8_t *data,
                size_t size)
{
    char path[300];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (!file || (size && fwrite(data, 1, size, file) != size) ||
        fclose(file) != 0)
        abort();
}

/* Every tensor: of few enough items to look at each, and all of them there. */
static unsigned use(const struct medvl_safetensors *st)
{
    unsigned sum = 0;

    for (int64_t i = 0; i < medvl_safetensors_count(st); i++) {
        const struct medvl_tensor *t = medvl_safetensors_tensor(st, i);
        const char *name = medvl_safetensors_name(st, i);
        const unsigned char *bytes = t->data;

        if (medvl_safetensors_find(st, name) != t ||
            !medvl_safetensors_type(st, i))
            abort();
        for (size_t k = 0; k < medvl_safetensors_bytes(st, i); k++)
            sum += bytes[k];
        if (medvl_dtype_is_float(t->dtype)) {
            const int64_t n = medvl_tensor_rows(t) * medvl_tensor_columns(t);

            if (medvl_dtype_bytes(t->dtype, n) !=
                medvl_safetensors_bytes(st, i))
                abort();
            for (int64_t k = 0; k < n; k++)
                sum += medvl_float_at(t->data, t->dtype, k) > 0;
        }
    }
    return sum;
}

/* Its frozen values are read, and its trained ones. */
static void use_model(const char *folder)
{
    static const char CONFIG[] =
        "{\"model_type\":\"llama\",\"vocab_size\":3,\"hidden_size\":4,"
        "\"intermediate_size\":2,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":1,\"tie_word_embeddings\":true}";
    struct medvl_error err = {0};
    struct medvl_model *model;
    unsigned sum = 0;

    put(folder, "config.json", (const uint8_t *)CONFIG, strlen(CONFIG));
    for (int train = 0; train <= MEDVL_PART_DECODER;
         train += MEDVL_PART_DECODER) {
        if (medvl_model_open(&model, folder, train, &err) < 0) {
            if (!err.text[0])
                abort();
            continue;
        }
        for (int64_t i = 0; i < model->count; i++) {
            const struct medvl_tensor *t = &model->params[i].value;
            const int64_t n = medvl_tensor_rows(t) * medvl_tensor_columns(t);

            for (int64_t k = 0; k < n; k++)
                sum += medvl_float_at(t->data, t->dtype, k) > 0;
        }
        medvl_model_load(model);
        medvl_model_free(model);
    }
    if (sum == 0xffffffff)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t index = zero ? (size_t)(zero - data) : size;
    const char *temp = getenv("MEDVL_TEMP");
    struct medvl_error err = {0};
    struct medvl_safetensors *st;
    char folder[200];

    snprintf(folder, sizeof(folder), "%s/fuzz-safetensors-%ld",
             temp ? temp : "/tmp", (long)getpid());
    mkdir(folder, 0700);
    if (index)
        put(folder, "model.safetensors.index.json", data, index);
    put(folder, index ? "1.safetensors" : "model.safetensors",
        data + index + !!zero, size - index - !!zero);
    if (medvl_safetensors_open(&st, folder, &err) < 0) {
        if (st || !err.text[0])
            abort();
    } else {
        if (use(st) == 0xffffffff)
            abort(); /* so that the bytes are read */
        medvl_safetensors_free(st);
        use_model(folder);
    }
    if (medvl_path_remove(folder, &err) < 0)
        abort();
    return 0;
}
