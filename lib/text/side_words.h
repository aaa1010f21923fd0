/*
 * The word tables of side.c, which alone includes this.  Lists of words have
 * a space before and after each.
 *
 * Read next: side.c.
 */
#ifndef MEDVL_TEXT_SIDE_WORDS_H
#define MEDVL_TEXT_SIDE_WORDS_H

#include "lib/text/side.h"

#define ACROSS MEDVL_SIDE_ACROSS
#define DOWN   MEDVL_SIDE_DOWN
#define BOTH   (ACROSS | DOWN)

/* After these, left is a verb: she left chest tubes. */
static const char SUBJECTS[] =
    " he she they we i who it patient patients surgeon ";

/* Lower density, upper limit: only of these is it a place. */
static const char PLACES[] =
    " lobe lobes lobar limb limbs pole poles quadrant quadrants zone "
    "zones lung lungs abdomen abdominal extremity extremities part "
    "parts half third thirds left right corner edge border margin side "
    "portion region regions area jaw teeth lip lid eyelid back neck "
    "chest ";

/* What has a left and a right one. */
static const char ANATOMY[] =
    " lobe lobes lobar limb limbs pole poles quadrant quadrants zone "
    "zones lung lungs abdomen abdominal extremity extremities half "
    "corner edge border margin side portion jaw lid eyelid neck "
    "chest sided hand upper lower mid middle superior inferior "
    "anterior posterior lateral medial proximal distal apical basal "
    "central main hemithorax hemithoraces hemidiaphragm diaphragm "
    "lungfield hilum hilar hila pleura pleural parenchymal pulmonary "
    "bronchus bronchial paratracheal costophrenic apex apices base "
    "bases basilar perihilar suprahilar infrahilar retrocardiac "
    "pneumothorax hydrothorax hydropneumothorax atelectasis clavicle "
    "clavicular scapula scapular rib ribs breast axilla axillary "
    "subclavian jugular carotid brachial ventricle ventricular "
    "ventricles atrium atrial heart coronary circumflex kidney kidneys "
    "renal adrenal ureter ureteral ureteric iliac hepatic ovary "
    "ovarian testis testicle testicular scrotal inguinal psoas "
    "iliopsoas colon hemicolon hemisphere hemispheric frontal parietal "
    "temporal occipital cerebral cerebellar cerebellum "
    "cerebellopontine thalamus thalamic insula insular putamen caudate "
    "lentiform internal external maxillary mandibular mandible maxilla "
    "ethmoid sphenoid parotid thyroid orbit orbital eye ear nasal "
    "cheek face temple vertebral parapharyngeal tonsil arm leg foot "
    "knee hip ankle elbow wrist shoulder thumb finger toe thigh calf "
    "forearm femur femoral tibia tibial fibula fibular humerus humeral "
    "radius radial ulna ulnar patella acetabulum acetabular sacroiliac "
    "hemipelvis pelvis pelvic groin neural common hypoglossal sciatic "
    "cervical thoracic lumbar portal striatum thalami tmj "
    "ventriculogram mastoid hydroureter hydronephrosis metatarsal "
    "metacarpal molar ramus condyle submandibular uterine gonadal "
    "rectus paraspinal posteroinferior vertebra sphenoidal subdural "
    "pneumonia pneumonectomy lobectomy nephrectomy flank gluteal "
    "buttock brain mca aca pca concha "
    "cia mesenteric paravertebral hydrocele hemicolectomy gluteus "
    "fallopian diaphragmatic ventriculography sylvian petrous pedicle "
    "mediastinal paracolic parasternal cavernous joint ischium ilium "
    "sacral sinus optic piriform hemothorax hippocampal hippocampus "
    "facet gastric artery vein nerve muscle joint opacity effusion "
    "suprarenal subphrenic subcapsular tube heel nipple "
    "retroperitoneal ";

/* What a picture has a top and a bottom of. */
static const char SHOWN[] =
    " image picture scan film radiograph photo photograph figure slice "
    "frame screen lung lungs chest heart liver spine abdomen brain "
    "kidney kidneys body skull organ mass tumor tumour lesion ";

static const char LATIN[] =
    " scoliosis scoliotic convex convexity curvature curve position "
    "positioned version rotation rotated cardia ";
static const char RUSSIAN[] =
    " ый ая ое ого ой ом ым ую ые ых ыми "
    "ому ою ";
static const char RUSSIAN_NEXT[] =
    " лёгкое легкое лёгкого легкого "
    "лёгком легком лёгкому легкому доля "
    "доли долю почка почки почку рука "
    "руки руку нога ноги ногу сторона "
    "стороны стороне сторону желудочек "
    "желудочка предсердие предсердия "
    "глаз глаза плечо бедро колено кисть "
    "стопа ";
static const char SPANISH[] =
    " lado lóbulo lobulo hemisferio ojo olho brazo braço mano mão "
    "mao pierna perna rodilla joelho cadera hombro ombro pie pé "
    "riñón rinon riñon rim pulmón pulmon pulmão pulmao hemitórax "
    "hemitorax ventrículo ventriculo mama seno ovario ovário ";
static const char ITALIAN[] =
    " lato polmone rene lobo mano occhio braccio gamba ginocchio "
    "emitorace ventricolo atrio seno ovaio emisfero ";
static const char GERMAN_NEXT[] =
    " lunge niere seite hand lungenflügel oberlappen unterlappen "
    "vorhof ventrikel herzkammer hemithorax schulter hüfte brust "
    "mamma hemisphäre auge bein arm fuß knie long nier kant zijde "
    "oog been ";
static const char GERMAN[] =
    " und oder auf nach von im oben unten der das ist nicht ein eine "
    "kein keine het een naar niet aan lunge niere long nier "
    "pleuraerguss pneumothorax boven onder ";
static const char DUTCH_REST[] =
    " long longen nier kant zijde hand boven onder bovenkwab onderkwab "
    "kwab borst oog been arm voet knie heup schouder ";

/* When a word of a pair is a side for sure, so that it may be swapped: */
enum sure {
    ALWAYS = 1, /* as it stands */
    WHOLE = 2,  /* as all of the text */
    PAIRED = 4, /* left and right */
    THERE = 8,  /* on the left; else with .next after it, .prev before it */
    LABEL = 16, /* kidney_left, LungLeft */
};

/* Words in lower case that are each other's opposite. */
static const struct pair {
    const char *words[2];
    unsigned flips, sure;
    const char *rest; /* what may follow within the word: a list */
    const char *next, *prev;
} PAIRS[] = {
    {.words = {"left", "right"},
     .flips = ACROSS,
     .sure = WHOLE | PAIRED | THERE | LABEL,
     .next = ANATOMY,
     .prev = " upper lower top bottom "},
    {.words = {"left", "right"},
     .flips = ACROSS,
     .sure = ALWAYS,
     .rest = " ward wards most side sided "},
    {.words = {"links", "rechts"},
     .flips = ACROSS,
     .sure = ALWAYS,
     .rest = " seitig seitige seitigen seitiger seitiges seitigem "},
    {.words = {"links", "rechts"},
     .flips = ACROSS,
     .next = GERMAN,
     .prev = GERMAN},
    {.words = {"linker", "rechter"},
     .flips = ACROSS,
     .sure = ALWAYS,
     .rest = DUTCH_REST},
    {.words = {"link", "recht"},
     .flips = ACROSS,
     .rest = " e en es em er ",
     .next = GERMAN_NEXT},
    {.words = {"izquierd", "derech"},
     .flips = ACROSS,
     .sure = WHOLE,
     .rest = " o a os as ",
     .prev = SPANISH},
    {.words = {"esquerd", "direit"},
     .flips = ACROSS,
     .sure = WHOLE,
     .rest = " o a os as ",
     .prev = SPANISH},
    {.words = {"sinistr", "destr"},
     .flips = ACROSS,
     .sure = WHOLE,
     .rest = " o a i e ",
     .prev = ITALIAN},
    {.words = {"слева", "справа"}, .flips = ACROSS, .sure = ALWAYS},
    {.words = {"влево", "вправо"}, .flips = ACROSS, .sure = ALWAYS},
    {.words = {"лев", "прав"},
     .flips = ACROSS,
     .rest = RUSSIAN,
     .next = RUSSIAN_NEXT},
    {.words = {"levo", "dextro"},
     .flips = ACROSS,
     .sure = ALWAYS,
     .rest = LATIN},
    {.words = {"upper", "lower"}, .flips = DOWN, .next = PLACES},
    {.words = {"upper", "lower"},
     .flips = DOWN,
     .sure = ALWAYS,
     .rest = " most "},
    {.words = {"top", "bottom"},
     .flips = DOWN,
     .sure = WHOLE | PAIRED | THERE,
     .next = " left right half part corner edge row side portion third"
             " quadrant "},
    {.words = {"top", "bottom"},
     .flips = DOWN,
     .sure = ALWAYS,
     .rest = " most "},
    {.words = {"upward", "downward"},
     .flips = DOWN,
     .next = " displacement displaced shift direction deviation "},
    {.words = {"superior", "inferior"},
     .flips = DOWN,
     .next = " lobe lobes pole poles quadrant quadrants part portion segment"
             " segments aspect half third margin border edge "},
    {.words = {"superior", "inferior"},
     .flips = DOWN,
     .sure = ALWAYS,
     .rest = " ly "},
    {.words = {"cranial", "caudal"},
     .flips = DOWN,
     .next = " pole direction aspect "},
    {.words = {"cranial", "caudal"},
     .flips = DOWN,
     .sure = ALWAYS,
     .rest = " ly "},
    {.words = {"cephalad", "caudad"}, .flips = DOWN, .sure = ALWAYS},
};

/* Abbreviations; those of lobes say upper or lower too.  They are swapped
 * in capitals alone. */
static const struct {
    const char *words[2];
    unsigned stuck;
} SHORT[] = {
    {{"LUL", "RUL"}, DOWN},
    {{"LLL", "RLL"}, DOWN},
    {{"LUQ", "RUQ"}, DOWN},
    {{"LLQ", "RLQ"}, DOWN},
    {{"LUZ", "RUZ"}, DOWN},
    {{"LLZ", "RLZ"}, DOWN},
    {{"LMZ", "RMZ"}, 0},
    {{"LAO", "RAO"}, 0},
    {{"LPO", "RPO"}, 0},
    {{"LMLO", "RMLO"}, 0},
};
/* Of any letters.  Of two to four capitals from L or R on all count but
 * HARMLESS ones. */
static const char SHORT_STUCK[] =
    " rml lv rv ra lad lcx lca rca lmca rmca lica rica lvh rvh laa lvot"
    " rvot lvef rvef rij lij lpa rpa rif lif lbbb rbbb rima lk rk lcc rcc lld"
    " rld llo rlo ";
static const char HARMLESS[] =
    " ROI ROIS RF RG RGB RNA RADS LN LNS RBC LDH LP RSV ROC LUNG LOBE RIB RIBS"
    " RFA RPE ROM LGE LESS LOW LIKE LINE RARE RATE ROD RAY ";
/* Labels: LungR, Lkidney, rkid, leftlung. */
static const char ORGANS[] =
    " lung lungs kidney kid breast eye hand hip knee leg arm foot femur lobe"
    " hemithorax adrenal atrium ventricle hemisphere clavicle scapula humerus"
    " iliac psoas ovary testis shoulder elbow wrist ankle ";

/* Words that are never swapped: exactly these, and those that begin so. */
static const char STUCK_ACROSS[] =
    " lefts rights left right lefthand righthand lefthanded "
    "righthanded recht gauche gauches droit droite droits"
    " droites gaucher droitier sinister dexter dextra dextrum sinistrum"
    " sinistral dextral situs links rechts linke linken linker linkes linkem"
    " rechte rechten rechter rechtes rechtem izquierda izquierdo izquierdas"
    " izquierdos derecha derecho derechas derechos esquerda esquerdo"
    " esquerdas esquerdos direita direito direitas direitos sinistra"
    " sinistro sinistri sinistre destra destro destri destre izq "
    "izqda izqdo dcha dcho lt rt"
    " lewy lewa lewe lewej lewego lewym prawy prawa prawe prawej prawego"
    " prawym lewo prawo trái phải kiri kanan"
    " levá levé levý levém vlevo pravá pravé pravý pravém vpravo"
    " esquerra esquerre dreta dret ";
static const char *const STUCK_ACROSS_BEGIN[] = {
    "dextro", "levo", "laevo", "links", "rechts", "linker", "rechter",
    "налев", "направо", "vänster", "höger", "venstre", "højre",
    "høyre", "lewostron", "prawostron", "stâng", "drept", "лев",
    "прав", "лів", "ляв", "десн", "десен"};
static const char STUCK_DOWN[] =
    " upper lower top bottom tops higher highest lowest apex apices"
    " base bases cranial caudal upward downward superior "
    "inferior above below beneath"
    " under underneath over up down upside upwards downwards anterior"
    " anteriorly posterior posteriorly ventral dorsal caudally cephalic"
    " haut haute hauts hautes bas basse dessus dessous oben unten obere"
    " oberer oberen oberes untere unterer unteren unteres unter über"
    " arriba abajo encima debajo acima abaixo cima baixo sopra sotto alto"
    " basso boven onder bovenste onderste ";
static const char *const STUCK_DOWN_BEGIN[] = {
    "supra", "infra", "apical", "biapical", "basal", "bibasal", "basilar",
    "bibasilar", "supero", "infero", "superior", "inferior",
    "supérieur", "inférieur", "overly", "underly", "ober", "cranio", "caudo"};
static const char STUCK_BOTH[] =
    " clock oclock clockwise counterclockwise anticlockwise ";

/* In scripts whose words are not divided by spaces, or that put letters
 * before: looked for everywhere.  The first that fits counts. */
static const struct {
    const char *text, *other; /* NULL: stuck */
    unsigned flips;
} ANYWHERE[] = {
    {"左右", NULL, ACROSS}, /* also "about" */
    {"右左", NULL, ACROSS},
    {"左", "右", ACROSS},
    {"右", "左", ACROSS},
    {"上", NULL, DOWN},
    {"下", NULL, DOWN},
    {"顶", NULL, DOWN},
    {"底", NULL, DOWN},
    {"頂", NULL, DOWN},
    {"ひだり", NULL, ACROSS},
    {"みぎ", NULL, ACROSS},
    {"うえ", NULL, DOWN},
    {"した", NULL, DOWN},
    {"ヒダリ", NULL, ACROSS},
    {"ミギ", NULL, ACROSS},
    {"왼쪽", "오른쪽", ACROSS},
    {"오른쪽", "왼쪽", ACROSS},
    {"좌측", "우측", ACROSS},
    {"우측", "좌측", ACROSS},
    {"왼", NULL, ACROSS},
    {"오른", NULL, ACROSS},
    {"좌", NULL, ACROSS},
    {"우", NULL, ACROSS},
    {"يسار", NULL, ACROSS},
    {"يسر", NULL, ACROSS},
    {"يمين", NULL, ACROSS},
    {"يمن", NULL, ACROSS},
    {"چپ", NULL, ACROSS},
    {"راست", NULL, ACROSS},
    {"بائیں", NULL, ACROSS},
    {"دائیں", NULL, ACROSS},
    {"שמאל", NULL, ACROSS},
    {"ימין", NULL, ACROSS},
    {"ימני", NULL, ACROSS},
};

/* Before these the two in Chinese and Japanese are sides for sure. */
static const char SIDED[] = "侧側边邊手脚足腿臂肩膝髋眼耳肺肾腎脑叶葉心房"
                            "室主冠"
                            "前后後上下中胸乳腹颈額额颞枕半の";

#endif
