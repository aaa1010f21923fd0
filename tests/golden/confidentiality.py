# Tags and actions of PS3.15 table E.1-1, Basic Profile, as dicom-anonymizer
# has them (edition 2026c of the standard): tests/golden/confidentiality.txt.
#
#   pip install dicom-anonymizer==2.1.0
#   python tests/golden/confidentiality.py >tests/golden/confidentiality.txt
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c

ACTIONS = {
    "D_TAGS": "D",
    "Z_TAGS": "Z",
    "X_TAGS": "X",
    "U_TAGS": "U",
    "Z_D_TAGS": "Z/D",
    "X_Z_TAGS": "X/Z",
    "X_D_TAGS": "X/D",
    "X_Z_D_TAGS": "X/Z/D",
    "X_Z_U_STAR_TAGS": "X/Z/U",
}

lines = []
for name, action in ACTIONS.items():
    for tag in getattr(dicomfields_2026c, name):
        if len(tag) == 2:  # others are whole groups: 50xx, 60xx
            lines.append("%04x%04x %s" % (tag[0], tag[1], action))
print("\n".join(sorted(lines)))
