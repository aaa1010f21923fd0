/*
 * Side words: what counts, what does not, and that swapping twice gives the
 * text again.
 */
#include "tests/unit/check.h"

#include "lib/base/json.h"
#include "lib/text/side.h"

#define ACROSS MEDVL_SIDE_ACROSS
#define DOWN   MEDVL_SIDE_DOWN

static struct medvl_error err;

/* The text with the words of these flips swapped, and back. */
static void check_swap(const char *text, unsigned flips, const char *want)
{
    struct medvl_text out = {0}, back = {0};

    CHECK_OK(medvl_side_swap(&out, medvl_span(text), flips, &err), &err);
    assert_string_equal(out.data, want);
    CHECK_OK(medvl_side_swap(&back, medvl_text_span(&out), flips, &err),
             &err);
    assert_string_equal(back.data, text);
    medvl_text_release(&out);
    medvl_text_release(&back);
}

static void words_become_their_opposites_in_the_same_case(void **state)
{
    static const struct {
        const char *text;
        unsigned flips;
        const char *want;
    } CASES[] = {
        {"The left lung, LEFT KIDNEY and on the Left.", ACROSS,
         "The right lung, RIGHT KIDNEY and on the Right."},
        {"left upper lobe", ACROSS | DOWN, "right lower lobe"},
        {"to the right of the spine, on the left.", ACROSS,
         "to the left of the spine, on the right."},
        {"Left.", ACROSS, "Right."},
        {"from left to right", ACROSS, "from right to left"},
        {"bottom left", ACROSS | DOWN, "top right"},
        {"kidney_left", ACROSS, "kidney_right"},
        {"in the upper left of it", ACROSS, "in the upper right of it"},
        {"at the top of the image", DOWN, "at the bottom of the image"},
        {"Superior lobe", DOWN, "Inferior lobe"},
        {"right-sided, left-hand; leftwards, rightmost", ACROSS,
         "left-sided, right-hand; rightwards, leftmost"},
        {"leftLung right_kidney LungRight", ACROSS,
         "rightLung left_kidney LungLeft"},
        {"LUL and RMLO", ACROSS, "RUL and LMLO"},
        {"L", ACROSS, "R"},
        {"Is it left or right?", ACROSS, "Is it right or left?"},
        {"upper left corner", ACROSS, "upper right corner"},
        {"upper left corner", DOWN, "lower left corner"},
        {"upper left corner", ACROSS | DOWN, "lower right corner"},
        {"at the top, Superiorly and caudally", DOWN,
         "at the bottom, Inferiorly and cranially"},
        {"Levoscoliosis", ACROSS, "Dextroscoliosis"},
        {"pulmón derecho", ACROSS, "pulmón izquierdo"},
        {"IZQUIERDA", ACROSS, "DERECHA"},
        {"lado esquerdo", ACROSS, "lado direito"},
        {"polmone destro", ACROSS, "polmone sinistro"},
        {"linke Lunge, rechtsseitig, rechts und Links", ACROSS,
         "rechte Lunge, linksseitig, links und Rechts"},
        {"linkerlong", ACROSS, "rechterlong"},
        {"левая доля, Правое лёгкое, СЛЕВА", ACROSS,
         "правая доля, Левое лёгкое, СПРАВА"},
        {"左肺与右心室", ACROSS, "右肺与左心室"},
        {"左の肺", ACROSS, "右の肺"},
        {"왼쪽 폐, 우측", ACROSS, "오른쪽 폐, 좌측"},
        {"nothing of the kind", ACROSS | DOWN, "nothing of the kind"},
        {"", ACROSS | DOWN, NULL},
    };

    (void)state;
    for (size_t i = 0; CASES[i].want; i++)
        check_swap(CASES[i].text, CASES[i].flips, CASES[i].want);
}

static void words_that_hold_the_letters_do_not_count(void **state)
{
    static const char *const TEXTS[] = {
        "bright copyright upright outright leftover Wright cleft",
        "L2 and L4/5, L1-L2, L5S1, L4\xe2\x80\x93"
        "5, L-spine, L 4, l5",
        "2 L, 5L, L/min, 50 mL, 3 μL, 2 l, 5l, l/min, mg/l, dl",
        "L'image, L\xe2\x80\x99os, l'os, l\xe2\x80\x99os, they'll, r = 1",
        "The ROI on RF, BI-RADS and LN; RNA",
        "rear, ledge, larch, Reyes, low density, high signal",
        "contralateral, ipsilateral, bilateral, medial, lateral, midline",
        "linked unlinked linkage, direct, destroy, stopped, desktop",
        "5 μm at the α-level, TGF-β1",
        "两侧对称",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(*TEXTS); i++) {
        const struct medvl_sides sides =
            medvl_side_find(medvl_span(TEXTS[i]));

        if (sides.words)
            fail_msg("'%s' has sides: %u", TEXTS[i], sides.words);
    }
}

static const struct {
    const char *text;
    unsigned words;
} DOUBT[] = {
    {"That's right, a mass.", ACROSS},
    {"This is a CT, right?", ACROSS},
    {"right away", ACROSS},
    {"Suspected RCC of the kidney", ACROSS},
    {"restrictive lung disease (RLD)", ACROSS},
    {"LCC or LLD", ACROSS},
    {"This finding links to pneumonia", ACROSS},
    {"Tiene derecho a saber", ACROSS},
    {"Sie hat das Recht", ACROSS},
    {"Rechtsanwalt", ACROSS},
    {"was left in place", ACROSS},
    {"left in situ", ACROSS},
    {"left untouched", ACROSS},
    {"There is no fluid left.", ACROSS},
    {"The patient left hospital", ACROSS},
    {"She left chest tubes", ACROSS},
    {"Is that right?", ACROSS},
    {"right next to the aorta", ACROSS},
    {"right above it", ACROSS | DOWN},
    {"The right conclusion", ACROSS},
    {"You got it right.", ACROSS},
    {"on the right track", ACROSS},
    {"left?", ACROSS},
    {"правая мысль", ACROSS | DOWN},
    {"左氧氟沙星", ACROSS},
    {"links", ACROSS},
    {"rll pneumonia", ACROSS | DOWN},
    {"rul opacity", ACROSS | DOWN},
    {"luq pain", ACROSS | DOWN},
    {"r lung", ACROSS},
    {"r. lung", ACROSS},
    {"l", ACROSS},
    {"kidney_l", ACROSS},
    {"Fracture of the R 5th rib", ACROSS},
    {"ribs 3-5 R", ACROSS},
    {"ribs 3-5 L", ACROSS},
    {"L 5th rib", ACROSS},
    {"R3 rib fracture", ACROSS},
    {"L/lung mass", ACROSS},
    {"L/R", ACROSS},
    {"RUE or LLE", ACROSS},
    {"RLE", ACROSS},
    {"RIJ, LIJ", ACROSS},
    {"LPA", ACROSS},
    {"RIF, LIF", ACROSS},
    {"LBBB", ACROSS},
    {"RBBB", ACROSS},
    {"LIMA", ACROSS},
    {"RIMA", ACROSS},
    {"LK", ACROSS},
    {"RK", ACROSS},
    {"LXYZ", ACROSS},
    {"KidneyL", ACROSS},
    {"LungR", ACROSS},
    {"Lkidney", ACROSS},
    {"rkid", ACROSS},
    {"lkid", ACROSS},
    {"leftlung", ACROSS},
    {"LEFTlung", ACROSS},
    {"lungright", ACROSS},
    {"Cranial MRI", DOWN},
    {"Cranial nerve VII", DOWN},
    {"inferior quality", DOWN},
    {"The top differential", DOWN},
    {"On top of that", DOWN},
    {"at the top of the list", DOWN},
    {"Apical pneumothorax", DOWN},
    {"Bibasilar", DOWN},
    {"lung bases", DOWN},
    {"higher than the carina", DOWN},
    {"lowest rib", DOWN},
    {"the patient left the ward", ACROSS},
    {"left untreated", ACROSS},
    {"the L kidney", ACROSS},
    {"LV and RA", ACROSS},
    {"situs inversus", ACROSS},
    {"dextrocardiac", ACROSS},
    {"LEFt", ACROSS},
    {"poumon gauche", ACROSS},
    {"à droite", ACROSS},
    {"大约5cm左右", ACROSS},
    {"lower density than", DOWN},
    {"above 5 cm", DOWN},
    {"follow-up", DOWN},
    {"RUL", DOWN},
    {"上叶", DOWN},
    {"at 3 o'clock", ACROSS | DOWN},
    {"رئة", DOWN},
    {"اليسرى", ACROSS | DOWN},
    {"שמאל", ACROSS | DOWN},
    {"лёгкое", DOWN},
    {"правильно", ACROSS | DOWN},
    {"Ο πνεύμονας", ACROSS | DOWN},
    {"ปอด", ACROSS | DOWN},
    {"फेफड़े", ACROSS | DOWN},
    {"ＬＥＦＴ", ACROSS | DOWN},
    {"le\xcc\x81"
     "ft",
     ACROSS | DOWN},
};

static void what_is_in_doubt_counts_and_is_not_swapped(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(DOUBT) / sizeof(*DOUBT); i++) {
        const struct medvl_span text = medvl_span(DOUBT[i].text);
        const struct medvl_sides sides = medvl_side_find(text);
        struct medvl_text out = {0};

        if (sides.stuck != DOUBT[i].words)
            fail_msg("'%s' has %u stuck", DOUBT[i].text, sides.stuck);
        assert_int_equal(sides.stuck & ~sides.words, 0);
        if (!sides.stuck)
            continue;
        CHECK_OK(medvl_text_puts(&out, "before", &err), &err);
        CHECK_FAILS(medvl_side_swap(&out, text, sides.stuck, &err),
                    MEDVL_EUNSUPPORTED, &err, "swapped");
        assert_string_equal(out.data, "before");
        medvl_text_release(&out);
    }
}

static void bytes_that_are_not_text_pass(void **state)
{
    static const char TEXT[] = "\xff\xfe left lung \xe5\xb7 \xc3";

    (void)state;
    check_swap(TEXT, ACROSS, "\xff\xfe right lung \xe5\xb7 \xc3");
}

/* The questions of SLAKE, in two languages: none is spoilt by two swaps. */
static void real_questions_survive_two_swaps(void **state)
{
    char *path = check_data("bench/slake/test.json");
    struct medvl_json *all = NULL;
    int count[2] = {0}, sides[2] = {0}, down[2] = {0};

    (void)state;
    CHECK_OK(medvl_json_read(&all, path, &err), &err);
    for (const struct medvl_json *q = medvl_json_first(all); q;
         q = medvl_json_next(q)) {
        const char *text = medvl_json_string(medvl_json_get(q, "question"));
        const char *language =
            medvl_json_string(medvl_json_get(q, "q_lang"));
        const int zh = strcmp(language, "zh") == 0;
        const struct medvl_sides found = medvl_side_find(medvl_span(text));
        struct medvl_text out = {0}, back = {0};
        const unsigned flips = found.words & ~found.stuck;

        count[zh]++;
        sides[zh] += (found.words & ACROSS) != 0;
        down[zh] += (found.words & DOWN) != 0;
        CHECK_OK(medvl_side_swap(&out, medvl_span(text), flips, &err), &err);
        CHECK_OK(medvl_side_swap(&back, medvl_text_span(&out), flips, &err),
                 &err);
        assert_string_equal(back.data, text);
        assert_int_equal(flips != 0, strcmp(out.data, text) != 0);
        medvl_text_release(&out);
        medvl_text_release(&back);
    }
    print_message("# en %d questions, %d left or right, %d up or down; "
                  "zh %d, %d, %d\n",
                  count[0], sides[0], down[0], count[1], sides[1], down[1]);
    assert_true(sides[0] > 30 && sides[1] > 30);
    medvl_json_free(all);
    medvl_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_their_opposites_in_the_same_case),
        cmocka_unit_test(words_that_hold_the_letters_do_not_count),
        cmocka_unit_test(what_is_in_doubt_counts_and_is_not_swapped),
        cmocka_unit_test(bytes_that_are_not_text_pass),
        cmocka_unit_test(real_questions_survive_two_swaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
