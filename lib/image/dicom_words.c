/*
 * The words of DICOM's coded values, as far as pictures have them.  A value
 * of other words is no code, whatever a file puts in its place: most names
 * are kept back by this, but not those that are words of the standard too.
 *
 * Read next: dicom_table.c.
 */
#include "lib/image/dicom.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 16 /* of a coded value */

/* Sorted.  Of parts of the body those of PS3.16 annex L, without the ones
 * that are called after somebody. */
/* clang-format off */
static const char *const WORDS[] = {
    "00", "01", "1", "10", "10918", "13818", "14495", "14496", "15444",
    "18181", "1CM", "2", "2D", "3", "3D", "4", "420", "422", "A", "ABDOMEN",
    "ABDOMENPELVIS", "ADC", "ADMIN", "ADRENAL", "AFDL", "AFDR", "ANGIO",
    "ANKLE", "ANTECUBITALV", "ANTERIOR", "AORTA", "AP", "AR", "ARGB", "ARM",
    "ARMS", "ARTERY", "ASMT", "ATTENUATED", "AU", "AVERAGE", "AXIAL", "AXILLA",
    "B", "BACK", "BDUS", "BEAM", "BEARING", "BI", "BILEDUCT", "BIPLANE",
    "BLADDER", "BMD", "BODY", "BONE", "BONES", "BOTH", "BQML", "BRACHY",
    "BRAIN", "BREAST", "BREASTS", "BRONCHUS", "BUTTOCK", "C", "CALCANEUS",
    "CALF", "CARDIAC", "CARDIOLOGY", "CAROTID", "CC", "CD", "CEPHALOSTAT",
    "CEREBELLUM", "CERVICAL", "CERVIX", "CF", "CG", "CHEEK", "CHEST",
    "CHESTABDOMEN", "CHESTABDPELVIS", "CINE", "CIRCLEOFWILLIS", "CLAVICLE",
    "CM2", "CM2ML", "CMYK", "CNTS", "COCCYX", "COL", "COLON", "COLOR",
    "COLUMN", "CONTROL", "CORNEA", "CORONAL", "CORONARYARTERY", "CP", "CPS",
    "CR", "CROSSED", "CS", "CSPINE", "CT", "CTPROTOCOL", "CTSPINE", "CURVED",
    "CV", "CW", "DD", "DECUBITUS", "DENSITY", "DERIVED", "DF", "DG", "DI",
    "DIFFUSION", "DIGIT", "DIRECT", "DIS2D", "DIS3D", "DISP", "DISTORTED",
    "DIXON", "DM", "DMS", "DOC", "DOSE", "DRW", "DS", "DUODENUM", "DV", "DWI",
    "DX", "DYNAMIC", "EAR", "EC", "ECG", "ED", "EEG", "EFF", "EFFECTIVE",
    "ELBOW", "EMG", "EMISSION", "ENCODED", "ENDOSCOPY", "EOG", "EP",
    "EPICARDIAL", "EPS", "ERECT", "ERROR", "ES", "ESOPHAGUS", "EXACT",
    "EXTENSION", "EXTERNAL", "EXTREMITY", "EYE", "EYELID", "F", "FA", "FACE",
    "FAT", "FB", "FC", "FEET", "FEMUR", "FFDL", "FFDR", "FFE", "FFP", "FFS",
    "FIBULA", "FID", "FILM", "FINGER", "FIXED", "FLAIR", "FLEXION", "FLOW",
    "FLUID", "FLUOROSCOPY", "FOCUSED", "FOOT", "FOR", "FOREARM", "FRACTION",
    "FRONTAL", "FS", "FULL", "GALLBLADDER", "GATED", "GENERATED", "GM", "GML",
    "GR", "GY", "H", "HAND", "HANDS", "HC", "HD", "HEAD", "HEADNECK", "HEART",
    "HELICAL", "HEPATIC", "HEXAGONAL", "HFDL", "HFDR", "HFP", "HFS", "HIP",
    "HIPS", "HSV", "HU", "HUMERUS", "IAC", "ICT", "IDENTITY", "ILEUM", "ILIUM",
    "IMAGE", "IMAGINARY", "IN", "INFERIOR", "INLET", "INTERNAL", "INVERSE",
    "IO", "IOL", "IP", "IR", "ISO", "ISOTROPIC", "IVOCT", "IVUS", "JAW",
    "JAWREGION", "JEJUNUM", "JOINT", "KER", "KIDNEY", "KIDNEYS", "KNEE",
    "KNEES", "KO", "L", "LABEL", "LAO", "LARYNX", "LAT", "LATERAL", "LEFT",
    "LEG", "LEGS", "LEN", "LFP", "LFS", "LIN", "LINEAR", "LIVER", "LL", "LLD",
    "LLO", "LM", "LMO", "LOCALIZER", "LOG", "LOWER", "LP", "LPO", "LS",
    "LSPINE", "LSSPINE", "LUMBAR", "LUMBOSACRAL", "LUNG", "LUNGS", "M", "MA",
    "MAGNITUDE", "MAMMO", "MAMMOGRAPHIC", "MANDIBLE", "MAP", "MASTOID", "MAX",
    "MAXILLA", "MEDIAL", "MEDIASTINUM", "MG", "MGMINML", "MGML", "MIN",
    "MINIP", "MIP", "MIXED", "ML", "MLG", "MLMING", "MLMINML", "MLML", "MLO",
    "MODE", "MODIFIED", "MONOCHROME", "MONOCHROME1", "MONOCHROME2", "MOUTH",
    "MP", "MPR", "MR", "MS", "MTC", "MULTI", "NECK", "NECKCHEST",
    "NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NEUTRAL", "NM", "NO", "NONE",
    "NORM", "NOSE", "O", "OAM", "OBL", "OBLIQUE", "OBSTETRICAL", "OCT", "OD",
    "OP", "OPEN", "OPM", "OPPOSED", "OPR", "OPT", "OPTBSV", "OPTENF",
    "OPTICCANAL", "OPV", "ORBIT", "ORBITS", "ORIGINAL", "OSP", "OSS", "OT",
    "OTHER", "OUT", "OUTLET", "OVARY", "OVERVIEW", "P", "PA", "PALETTE",
    "PANCREAS", "PANORAMIC", "PARALLEL", "PAROTID", "PARTIAL", "PARTS",
    "PATELLA", "PCNT", "PCT", "PD", "PELVIS", "PENIS", "PER", "PERFUSION",
    "PERIPHERAL", "PFDL", "PFDR", "PFF", "PFP", "PHARYNX", "PHASE", "PHYSICAL",
    "PLAN", "PLANE", "POINT", "PORTAL", "POS", "POSTERIOR", "PPG", "PR",
    "PRESENTATION", "PRIMARY", "PROCESSING", "PRODUCT", "PROJECTION", "PRONE",
    "PROPCNTS", "PROPCPS", "PROSTATE", "PROTON", "PT", "PX", "R", "RADIUS",
    "RAO", "RCT", "REAL", "RECIPROCATING", "RECON", "RECTANGLE", "RECTANGULAR",
    "RECTUM", "REFORMATTED", "REG", "RELATIVE", "REMOVED", "RENAL", "RENDER",
    "REPROJECTION", "RESAMPLED", "RESEARCH", "RESP", "REST", "RF", "RFP",
    "RFS", "RG", "RGB", "RIB", "RIBS", "RIGHT", "RIGID", "RL", "RLD", "RLO",
    "RM", "ROTATION", "ROUND", "ROW", "RPO", "RTDOSE", "RTIMAGE", "RTINTENT",
    "RTPLAN", "RTRAD", "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SACRAL",
    "SACRUM", "SAGITTAL", "SAMPLED", "SAVE", "SC", "SCALP", "SCAPULA",
    "SCINTILLATOR", "SCLERA", "SCOUT", "SCREEN", "SCROTUM", "SD", "SE",
    "SECONDARY", "SEG", "SELLA", "SEQUENTIAL", "SERVICE", "SHOULDER", "SI",
    "SIGMOID", "SIJOINT", "SINGLE", "SINUS", "SINUSES", "SIO", "SITTING", "SK",
    "SKULL", "SM", "SMALL", "SMR", "SP", "SPINE", "SPIRAL", "SPLEEN", "SR",
    "SRF", "SS", "SSPINE", "ST", "STAIN", "STANDING", "STAR", "START",
    "STATIC", "STDDEV", "STERNUM", "STIR", "STOMACH", "STORAGE", "STRESS",
    "SUBMANDIBULAR", "SUBTRACTION", "SUPERIOR", "SUPINE", "SURFACE", "SWI",
    "SYN", "T1", "T2", "TAGGING", "TANGENTIAL", "TEETH", "TESTIS",
    "TEXTUREMAP", "TG", "THIGH", "THORACIC", "THORAX", "THUMB", "THUMBNAIL",
    "THYMUS", "THYROID", "TIBFIB", "TIBIA", "TLSPINE", "TMJ", "TOE", "TOF",
    "TOMO", "TOMOSYNTHESIS", "TONGUE", "TOOTH", "TRACE", "TRACHEA",
    "TRANSMISSION", "TRANSVERSE", "TRSS", "TRUE", "TRUFISP", "TSPINE", "U",
    "ULNA", "ULTRASOUND", "UMBILICUS", "UMOLMINML", "UMOLML", "UNKNOWN",
    "UNMODIFIED", "UPPER", "UPRIGHT", "URETER", "URETHRA", "US", "UTERUS",
    "VA", "VAGINA", "VASCULAR", "VEIN", "VESSEL", "VESSELS", "VF", "VOLUME",
    "VULVA", "WATER", "WEIGHT", "WHOLE", "WHOLEBODY", "WRIST", "WSD", "XA",
    "XAPROTOCOL", "XC", "XCCL", "XCCM", "XYB", "YBR", "YES", "Z", "ZYGOMA",
};
/* clang-format on */

static int compare(const void *key, const void *item)
{
    const struct medvl_span *word = key;
    const char *known = *(const char *const *)item;
    const int order = strncmp(word->data, known, word->size);

    return order || !known[word->size] ? order : -1;
}

/* "A", "LP", "HAR": at most one end of each axis. */
static bool is_direction(struct medvl_span word)
{
    static const char ENDS[] = "APLRHF";
    unsigned seen = 0;

    if (word.size > 3)
        return false;
    for (size_t i = 0; i < word.size; i++) {
        const char *at = memchr(ENDS, word.data[i], 6);
        const unsigned axis = at ? 1u << (at - ENDS) / 2 : 0;

        if (!at || seen & axis)
            return false;
        seen |= axis;
    }
    return true;
}

/* A zero byte would end the comparison, not the word. */
static bool is_word(struct medvl_span word)
{
    if (memchr(word.data, 0, word.size))
        return false;
    return is_direction(word) ||
           bsearch(&word, WORDS, sizeof(WORDS) / sizeof(*WORDS),
                   sizeof(*WORDS), compare);
}

bool medvl_dicom_is_code(struct medvl_span text)
{
    if (text.size > LONGEST)
        return false;
    for (size_t i = 0, start = 0; i <= text.size; i++)
        if (i == text.size || text.data[i] == ' ' || text.data[i] == '_') {
            const struct medvl_span word = {text.data + start, i - start};

            if (word.size && !is_word(word))
                return false;
            start = i + 1;
        }
    return true;
}

/* ---- classes ------------------------------------------------------------ */

#define STORAGE "1.2.840.10008.5.1.4.1.1."

bool medvl_dicom_is_class(struct medvl_span uid)
{
    static const char *const PICTURES[] = {
        "1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "2", "2.1",
        "2.2", "3", "3.1", "4", "4.1", "4.3", "4.4", "5", "6", "6.1", "6.2",
        "7", "7.1", "7.2", "7.3", "7.4", "12.1", "12.1.1", "12.2", "12.2.1",
        "12.3", "13.1.1", "13.1.2", "13.1.3", "13.1.4", "13.1.5", "14.1",
        "14.2", "20", "30", "66.4", "77.1.1", "77.1.1.1", "77.1.2",
        "77.1.2.1", "77.1.3", "77.1.4", "77.1.4.1", "77.1.5.1", "77.1.5.2",
        "77.1.5.4", "77.1.5.5", "77.1.5.6", "77.1.5.7", "77.1.5.8", "77.1.6",
        "77.1.7", "128", "128.1", "130", "481.1", "481.2"};
    const size_t root = strlen(STORAGE);

    if (uid.size <= root || memcmp(uid.data, STORAGE, root) != 0)
        return false;
    uid.data += root;
    uid.size -= root;
    for (size_t i = 0; i < sizeof(PICTURES) / sizeof(*PICTURES); i++)
        if (medvl_span_is(uid, PICTURES[i]))
            return true;
    return false;
}
