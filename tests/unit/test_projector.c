/*
 * The projector against its formula in double.
 */
#include "tests/unit/model.h"

#include "lib/model/projector.h"

#define TINY "tests/golden/models/llava"

enum { N = 3,
       K = 36,
       C = 28 };

static const float *values(const struct subject *s, const char *name)
{
    return medvl_model_param(s->model, "projector.%s", name)
        ->value.data;
}

static void it_is_two_maps_with_gelu_between(void **state)
{
    const struct medvl_tape_options options = {.mode = MEDVL_TAPE_INFER};
    float inp[N * K];
    double middle[C];
    const struct medvl_tensor in = medvl_tensor_2d(inp, MEDVL_DTYPE_F32, N,
                                                   K);
    const float *w1, *b1, *w2, *b2, *out;
    struct medvl_var *x;
    struct subject s;

    (void)state;
    for (int i = 0; i < N * K; i++)
        inp[i] = cosf((float)i * 0.7f);
    subject_open(&s, TINY, 0);
    w1 = values(&s, "0.weight");
    b1 = values(&s, "0.bias");
    w2 = values(&s, "2.weight");
    b2 = values(&s, "2.bias");
    medvl_tape_begin(s.tape, &options, NULL);
    x = medvl_projector_forward(s.tape, s.model,
                                medvl_tape_input(s.tape, &in, false));
    CHECK_OK(medvl_tape_check(s.tape, &s.err), &s.err);
    out = x->value.data;
    for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++) {
            double sum = (double)b1[c];

            for (int k = 0; k < K; k++)
                sum += (double)w1[c * K + k] * (double)inp[n * K + k];
            middle[c] = sum * (1 + erf(sum / sqrt(2))) / 2;
        }
        for (int c = 0; c < C; c++) {
            double sum = (double)b2[c];

            for (int k = 0; k < C; k++)
                sum += (double)w2[c * C + k] * middle[k];
            CHECK_CLOSE(out[n * C + c], sum, 1e-5);
        }
    }
    CHECK_OK(medvl_tape_end(s.tape, &s.err), &s.err);
    subject_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_two_maps_with_gelu_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
