/*
 * What stays in a de-identified file.  All that is not on these lists goes:
 * private elements, overlays, curves, free text, names, dates, places,
 * devices, codes with meanings in words, and sequences of them.
 *
 * A number has the limit that its attribute has in life, so that digits of
 * another meaning (a date, a telephone) stay behind for the most part.
 *
 * No line may keep what PS3.15 table E.1-1 removes under the Basic Profile;
 * what that table wants empty (Z) or replaced (D, U) is EMPTY, EMPTIED, MADE
 * or UID here.
 *
 * Read next: deidentify.c.
 */
#include "lib/image/deidentify_part.h"

/* clang-format off */
#define NUMBER(tag, vr, most, limit) \
    {tag, MEDVL_KEEP_NUMBER, vr, most, limit, NULL, 0}
#define NEEDED(tag, vr, most, limit) \
    {tag, MEDVL_KEEP_NEEDED, vr, most, limit, NULL, 0}
#define LINE(tag, what, vr, most) {tag, what, vr, most, 0, NULL, 0}
#define CODE(tag, vr, most)       LINE(tag, MEDVL_KEEP_CODE, vr, most)
#define WORDS(tag, vr)            LINE(tag, MEDVL_KEEP_WORDS, vr, 0)
#define PALETTE(tag, vr)          LINE(tag, MEDVL_KEEP_PALETTE, vr, 0)
#define POINTER(tag)              LINE(tag, MEDVL_KEEP_POINTER, "AT", 8)
#define UID(tag)                  LINE(tag, MEDVL_KEEP_UID, "UI", 1)
#define EMPTY(tag, vr)            LINE(tag, MEDVL_KEEP_EMPTY, vr, 0)
#define EMPTIED(tag, vr)          LINE(tag, MEDVL_KEEP_EMPTIED, vr, 0)
#define MADE(tag, vr)             LINE(tag, MEDVL_KEEP_MADE, vr, 1)
#define NEST(tag, what, list) \
    {tag, what, "SQ", 0, 0, list, sizeof(list) / sizeof(*(list))}
#define ITEMS(tag, list)          NEST(tag, MEDVL_KEEP_ITEMS, list)
#define TABLE(tag)                NEST(tag, MEDVL_KEEP_TABLE, GREY)
/* clang-format on */

#define MANY 4096

/* ---- in sequences ------------------------------------------------------- */

static const struct medvl_keep GREY[] = {
    NUMBER(0x00283002, "USSS", 3, 65535), /* LUTDescriptor */
    CODE(0x00283004, "LO", 1),            /* ModalityLUTType */
    WORDS(0x00283006, "OWUS"),
};

static const struct medvl_keep ULTRASOUND_REGION[] = {
    NUMBER(0x00186012, "US", 1, 5),     /* RegionSpatialFormat */
    NUMBER(0x00186014, "US", 1, 18),    /* RegionDataType */
    NUMBER(0x00186016, "UL", 1, 31),    /* RegionFlags */
    NUMBER(0x00186018, "UL", 1, 16383), /* RegionLocationMinX0 */
    NUMBER(0x0018601a, "UL", 1, 16383), /* RegionLocationMinY0 */
    NUMBER(0x0018601c, "UL", 1, 16383), /* RegionLocationMaxX1 */
    NUMBER(0x0018601e, "UL", 1, 16383), /* RegionLocationMaxY1 */
    NUMBER(0x00186020, "SL", 1, 16383), /* ReferencePixelX0 */
    NUMBER(0x00186022, "SL", 1, 16383), /* ReferencePixelY0 */
    NUMBER(0x00186024, "US", 1, 12),    /* PhysicalUnitsXDirection */
    NUMBER(0x00186026, "US", 1, 12),    /* PhysicalUnitsYDirection */
    NUMBER(0x00186028, "FD", 1, 1e9),   /* ReferencePixelPhysicalValueX */
    NUMBER(0x0018602a, "FD", 1, 1e9),   /* ReferencePixelPhysicalValueY */
    NUMBER(0x0018602c, "FD", 1, 1e9),   /* PhysicalDeltaX */
    NUMBER(0x0018602e, "FD", 1, 1e9),   /* PhysicalDeltaY */
};

static const struct medvl_keep FRAME_TYPE[] = {
    CODE(0x00089007, "CS", 4), /* FrameType */
    CODE(0x00089205, "CS", 1), /* PixelPresentation */
    CODE(0x00089206, "CS", 1), /* VolumetricProperties */
    CODE(0x00089207, "CS", 1), /* VolumeBasedCalculationTechnique */
    CODE(0x00089208, "CS", 1), /* ComplexImageComponent */
    CODE(0x00089209, "CS", 1), /* AcquisitionContrast */
};

static const struct medvl_keep FRAME_ANATOMY[] = {
    CODE(0x00209072, "CS", 1), /* FrameLaterality */
};

static const struct medvl_keep FRAME_CONTENT[] = {
    NUMBER(0x00209057, "UL", 1, 16383),  /* InStackPositionNumber */
    NUMBER(0x00209128, "UL", 1, 16383),  /* TemporalPositionIndex */
    NUMBER(0x00209156, "US", 1, 16383),  /* FrameAcquisitionNumber */
    NUMBER(0x00209157, "UL", 16, 16383), /* DimensionIndexValues */
};

static const struct medvl_keep PLANE_POSITION[] = {
    NUMBER(0x00200032, "DS", 3, 10000), /* ImagePositionPatient */
};

static const struct medvl_keep PLANE_ORIENTATION[] = {
    NUMBER(0x00200037, "DS", 6, 2), /* ImageOrientationPatient */
};

static const struct medvl_keep PIXEL_MEASURES[] = {
    NUMBER(0x00180050, "DS", 1, 1000), /* SliceThickness */
    NUMBER(0x00180088, "DS", 1, 1000), /* SpacingBetweenSlices */
    NUMBER(0x00280030, "DS", 2, 1000), /* PixelSpacing */
};

static const struct medvl_keep FRAME_WINDOW[] = {
    NUMBER(0x00281050, "DS", 16, 1e7), /* WindowCenter */
    NUMBER(0x00281051, "DS", 16, 1e7), /* WindowWidth */
    CODE(0x00281056, "CS", 1),         /* VOILUTFunction */
};

static const struct medvl_keep PIXEL_VALUE[] = {
    NEEDED(0x00281052, "DS", 1, 1e7), /* RescaleIntercept */
    NEEDED(0x00281053, "DS", 1, 1e7), /* RescaleSlope */
    CODE(0x00281054, "LO", 1),        /* RescaleType */
};

static const struct medvl_keep FUNCTIONAL_GROUPS[] = {
    ITEMS(0x00189226, FRAME_TYPE),        /* MRImageFrameTypeSequence */
    ITEMS(0x00189329, FRAME_TYPE),        /* CTImageFrameTypeSequence */
    ITEMS(0x00189751, FRAME_TYPE),        /* PETFrameTypeSequence */
    ITEMS(0x00209071, FRAME_ANATOMY),     /* FrameAnatomySequence */
    ITEMS(0x00209111, FRAME_CONTENT),     /* FrameContentSequence */
    ITEMS(0x00209113, PLANE_POSITION),    /* PlanePositionSequence */
    ITEMS(0x00209116, PLANE_ORIENTATION), /* PlaneOrientationSequence */
    ITEMS(0x00289110, PIXEL_MEASURES),    /* PixelMeasuresSequence */
    ITEMS(0x00289132, FRAME_WINDOW),      /* FrameVOILUTSequence */
    ITEMS(0x00289145, PIXEL_VALUE),       /* PixelValueTransformationSequence */
};

static const struct medvl_keep DIMENSION_ORGANIZATION[] = {
    UID(0x00209164), /* DimensionOrganizationUID */
};

static const struct medvl_keep DIMENSION_INDEX[] = {
    UID(0x00209164),     /* DimensionOrganizationUID */
    POINTER(0x00209165), /* DimensionIndexPointer */
    POINTER(0x00209167), /* FunctionalGroupPointer */
};

/* ---- the data set ------------------------------------------------------- */

static const struct medvl_keep ALL[] = {
    CODE(0x00080008, "CS", 8),           /* ImageType */
    MADE(0x00080016, "UI"),              /* SOPClassUID */
    MADE(0x00080018, "UI"),              /* SOPInstanceUID */
    EMPTY(0x00080020, "DA"),             /* StudyDate */
    EMPTIED(0x00080022, "DA"),           /* AcquisitionDate */
    EMPTY(0x00080023, "DA"),             /* ContentDate */
    EMPTIED(0x0008002a, "DT"),           /* AcquisitionDateTime */
    EMPTY(0x00080030, "TM"),             /* StudyTime */
    EMPTIED(0x00080032, "TM"),           /* AcquisitionTime */
    EMPTY(0x00080033, "TM"),             /* ContentTime */
    EMPTY(0x00080050, "SH"),             /* AccessionNumber */
    CODE(0x00080060, "CS", 1),           /* Modality */
    CODE(0x00080064, "CS", 1),           /* ConversionType */
    CODE(0x00080068, "CS", 1),           /* PresentationIntentType */
    EMPTY(0x00080070, "LO"),             /* Manufacturer */
    EMPTY(0x00080090, "PN"),             /* ReferringPhysicianName */
    NUMBER(0x00082144, "IS", 1, 1000),   /* RecommendedDisplayFrameRate */
    CODE(0x00089205, "CS", 1),           /* PixelPresentation */
    CODE(0x00089206, "CS", 1),           /* VolumetricProperties */
    CODE(0x00089207, "CS", 1),           /* VolumeBasedCalculationTechnique */
    CODE(0x00089208, "CS", 1),           /* ComplexImageComponent */
    CODE(0x00089209, "CS", 1),           /* AcquisitionContrast */
    MADE(0x00100010, "PN"),              /* PatientName */
    MADE(0x00100020, "LO"),              /* PatientID */
    EMPTY(0x00100030, "DA"),             /* PatientBirthDate */
    EMPTY(0x00100040, "CS"),             /* PatientSex */
    MADE(0x00120062, "CS"),              /* PatientIdentityRemoved */
    MADE(0x00120063, "LO"),              /* DeidentificationMethod */
    MADE(0x00120064, "SQ"),              /* DeidentificationMethod...Sequence */
    EMPTIED(0x00180010, "LO"),           /* ContrastBolusAgent */
    CODE(0x00180015, "CS", 1),           /* BodyPartExamined */
    CODE(0x00180020, "CS", 8),           /* ScanningSequence */
    CODE(0x00180021, "CS", 8),           /* SequenceVariant */
    CODE(0x00180022, "CS", 8),           /* ScanOptions */
    CODE(0x00180023, "CS", 1),           /* MRAcquisitionType */
    CODE(0x00180025, "CS", 1),           /* AngioFlag */
    NUMBER(0x00180050, "DS", 1, 1000),   /* SliceThickness */
    NUMBER(0x00180060, "DS", 1, 1000),   /* KVP */
    NUMBER(0x00180080, "DS", 1, 1e6),    /* RepetitionTime */
    NUMBER(0x00180081, "DS", 1, 1e5),    /* EchoTime */
    NUMBER(0x00180082, "DS", 1, 1e6),    /* InversionTime */
    NUMBER(0x00180083, "DS", 1, 1000),   /* NumberOfAverages */
    NUMBER(0x00180084, "DS", 1, 1000),   /* ImagingFrequency */
    NUMBER(0x00180086, "IS", 8, 1000),   /* EchoNumbers */
    NUMBER(0x00180087, "DS", 1, 1e5),    /* MagneticFieldStrength */
    NUMBER(0x00180088, "DS", 1, 1000),   /* SpacingBetweenSlices */
    NUMBER(0x00180089, "IS", 1, 10000),  /* NumberOfPhaseEncodingSteps */
    NUMBER(0x00180090, "DS", 1, 10000),  /* DataCollectionDiameter */
    NUMBER(0x00180091, "IS", 1, 10000),  /* EchoTrainLength */
    NUMBER(0x00180093, "DS", 1, 1000),   /* PercentSampling */
    NUMBER(0x00180094, "DS", 1, 1000),   /* PercentPhaseFieldOfView */
    NUMBER(0x00180095, "DS", 1, 1e6),    /* PixelBandwidth */
    NUMBER(0x00181063, "DS", 1, 1e6),    /* FrameTime */
    NUMBER(0x00181065, "DS", MANY, 1e6), /* FrameTimeVector */
    NUMBER(0x00181100, "DS", 1, 10000),  /* ReconstructionDiameter */
    NUMBER(0x00181110, "DS", 1, 10000),  /* DistanceSourceToDetector */
    NUMBER(0x00181111, "DS", 1, 10000),  /* DistanceSourceToPatient */
    NUMBER(0x00181114, "DS", 1, 1000),   /* EstimatedRadiographicMagnif... */
    NUMBER(0x00181120, "DS", 1, 360),    /* GantryDetectorTilt */
    NUMBER(0x00181130, "DS", 1, 10000),  /* TableHeight */
    CODE(0x00181140, "CS", 1),           /* RotationDirection */
    CODE(0x00181147, "CS", 1),           /* FieldOfViewShape */
    NUMBER(0x00181149, "IS", 2, 10000),  /* FieldOfViewDimensions */
    NUMBER(0x00181150, "IS", 1, 1e6),    /* ExposureTime */
    NUMBER(0x00181151, "IS", 1, 1e6),    /* XRayTubeCurrent */
    NUMBER(0x00181152, "IS", 1, 1e6),    /* Exposure */
    NUMBER(0x00181164, "DS", 2, 1000),   /* ImagerPixelSpacing */
    CODE(0x00181166, "CS", 8),           /* Grid */
    NUMBER(0x00181190, "DS", 4, 100),    /* FocalSpots */
    CODE(0x00181312, "CS", 1),           /* InPlanePhaseEncodingDirection */
    NUMBER(0x00181314, "DS", 1, 360),    /* FlipAngle */
    CODE(0x00181315, "CS", 1),           /* VariableFlipAngleFlag */
    NUMBER(0x00181316, "DS", 1, 1000),   /* SAR */
    NUMBER(0x00181318, "DS", 1, 1e5),    /* dBdt */
    NUMBER(0x00181405, "IS", 1, 65535),  /* RelativeXRayExposure */
    CODE(0x00181508, "CS", 1),           /* PositionerType */
    NUMBER(0x00181510, "DS", 1, 360),    /* PositionerPrimaryAngle */
    NUMBER(0x00181511, "DS", 1, 360),    /* PositionerSecondaryAngle */
    NUMBER(0x00182010, "DS", 2, 1000),   /* NominalScannedPixelSpacing */
    CODE(0x00185100, "CS", 1),           /* PatientPosition */
    CODE(0x00185101, "CS", 1),           /* ViewPosition */
    ITEMS(0x00186011, ULTRASOUND_REGION),
    CODE(0x00187004, "CS", 1),          /* DetectorType */
    MADE(0x0020000d, "UI"),             /* StudyInstanceUID */
    MADE(0x0020000e, "UI"),             /* SeriesInstanceUID */
    EMPTY(0x00200010, "SH"),            /* StudyID */
    NUMBER(0x00200011, "IS", 1, 1e6),   /* SeriesNumber */
    NUMBER(0x00200012, "IS", 1, 1e6),   /* AcquisitionNumber */
    NUMBER(0x00200013, "IS", 1, 1e6),   /* InstanceNumber */
    CODE(0x00200020, "CS", 2),          /* PatientOrientation */
    NUMBER(0x00200032, "DS", 3, 10000), /* ImagePositionPatient */
    NUMBER(0x00200037, "DS", 6, 2),     /* ImageOrientationPatient */
    UID(0x00200052),                    /* FrameOfReferenceUID */
    CODE(0x00200060, "CS", 1),          /* Laterality */
    CODE(0x00200062, "CS", 1),          /* ImageLaterality */
    NUMBER(0x00200100, "IS", 1, 1e6),   /* TemporalPositionIdentifier */
    NUMBER(0x00200105, "IS", 1, 1e6),   /* NumberOfTemporalPositions */
    NUMBER(0x00201002, "IS", 1, 1e6),   /* ImagesInAcquisition */
    EMPTIED(0x00201040, "LO"),          /* PositionReferenceIndicator */
    NUMBER(0x00201041, "DS", 1, 10000), /* SliceLocation */
    ITEMS(0x00209221, DIMENSION_ORGANIZATION),
    ITEMS(0x00209222, DIMENSION_INDEX),
    MADE(0x00280002, "US"),                /* SamplesPerPixel */
    MADE(0x00280004, "CS"),                /* PhotometricInterpretation */
    MADE(0x00280006, "US"),                /* PlanarConfiguration */
    MADE(0x00280008, "IS"),                /* NumberOfFrames */
    POINTER(0x00280009),                   /* FrameIncrementPointer */
    MADE(0x00280010, "US"),                /* Rows */
    MADE(0x00280011, "US"),                /* Columns */
    NUMBER(0x00280030, "DS", 2, 1000),     /* PixelSpacing */
    NUMBER(0x00280034, "IS", 2, 1e5),      /* PixelAspectRatio */
    MADE(0x00280100, "US"),                /* BitsAllocated */
    MADE(0x00280101, "US"),                /* BitsStored */
    MADE(0x00280102, "US"),                /* HighBit */
    MADE(0x00280103, "US"),                /* PixelRepresentation */
    NUMBER(0x00280120, "USSS", 1, 65535),  /* PixelPaddingValue */
    NUMBER(0x00280121, "USSS", 1, 65535),  /* PixelPaddingRangeLimit */
    CODE(0x00280300, "CS", 1),             /* QualityControlImage */
    CODE(0x00280301, "CS", 1),             /* BurnedInAnnotation */
    CODE(0x00280302, "CS", 1),             /* RecognizableVisualFeatures */
    MADE(0x00280303, "CS"),                /* Longitudinal...Modified */
    CODE(0x00281040, "CS", 1),             /* PixelIntensityRelationship */
    NUMBER(0x00281041, "SS", 1, 1),        /* PixelIntensityRelationshipSign */
    NUMBER(0x00281050, "DS", 16, 1e7),     /* WindowCenter */
    NUMBER(0x00281051, "DS", 16, 1e7),     /* WindowWidth */
    NEEDED(0x00281052, "DS", 1, 1e7),      /* RescaleIntercept */
    NEEDED(0x00281053, "DS", 1, 1e7),      /* RescaleSlope */
    CODE(0x00281054, "LO", 1),             /* RescaleType */
    CODE(0x00281056, "CS", 1),             /* VOILUTFunction */
    PALETTE(0x00281101, "USSS"),           /* RedPalette...Descriptor */
    PALETTE(0x00281102, "USSS"),           /* Green */
    PALETTE(0x00281103, "USSS"),           /* Blue */
    PALETTE(0x00281201, "OWUS"),           /* RedPaletteColorLookupTableData */
    PALETTE(0x00281202, "OWUS"),           /* Green */
    PALETTE(0x00281203, "OWUS"),           /* Blue */
    MADE(0x00282110, "CS"),                /* LossyImageCompression */
    NUMBER(0x00282112, "DS", 8, 10000),    /* LossyImageCompressionRatio */
    MADE(0x00282114, "CS"),                /* LossyImageCompressionMethod */
    TABLE(0x00283000),                     /* ModalityLUTSequence */
    TABLE(0x00283010),                     /* VOILUTSequence */
    NUMBER(0x00540081, "US", 1, 16383),    /* NumberOfSlices */
    CODE(0x00541000, "CS", 2),             /* SeriesType */
    CODE(0x00541001, "CS", 1),             /* Units */
    CODE(0x00541002, "CS", 1),             /* CountsSource */
    CODE(0x00541102, "CS", 1),             /* DecayCorrection */
    NUMBER(0x00541300, "DS", 1, 1e7),      /* FrameReferenceTime */
    NUMBER(0x00541321, "DS", 1, 1e6),      /* DecayFactor */
    NUMBER(0x00541330, "US", 1, 16383),    /* ImageIndex */
    CODE(0x20500020, "CS", 1),             /* PresentationLUTShape */
    CODE(0x30040002, "CS", 1),             /* DoseUnits */
    CODE(0x30040004, "CS", 1),             /* DoseType */
    CODE(0x3004000a, "CS", 1),             /* DoseSummationType */
    NUMBER(0x3004000c, "DS", MANY, 10000), /* GridFrameOffsetVector */
    NEEDED(0x3004000e, "DS", 1, 1e7),      /* DoseGridScaling */
    ITEMS(0x52009229, FUNCTIONAL_GROUPS),  /* Shared ... */
    ITEMS(0x52009230, FUNCTIONAL_GROUPS),  /* PerFrame ... */
};

const struct medvl_keep *const medvl_keep_all = ALL;
const size_t medvl_keep_count = sizeof(ALL) / sizeof(*ALL);
