/*
 * Volumes: NIfTI files read by the helper program medvl-decode, and slices
 * of them along a named axis.
 *
 * NIfTI is parsed by niftilib in a process of its own with limits on memory
 * and time, so a hostile file ends that process and is an error here.
 *
 * A slice is shown as a map of the patient: in axial and coronal slices the
 * patient's left is on the left of the picture (the neurologists' way), in
 * sagittal ones the front is on the right; up is superior, in axial slices
 * anterior.  Slices are counted along the axis from its low end: from the
 * left, the back, or below.
 *
 * Read next: stack.h.
 */
#ifndef MEDVL_IMAGE_VOLUME_H
#define MEDVL_IMAGE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/pool.h"
#include "lib/image/decode.h"
#include "lib/image/picture.h"

/* Of one volume: voxels, and bytes, in the file and in memory. */
#define MEDVL_VOLUME_VOXELS ((int64_t)1 << 28)
#define MEDVL_VOLUME_BYTES  ((int64_t)3 << 27)

/*
 * The first index runs fastest.  A stored value v stands for
 * v * slope + offset.  `affine` maps voxel indices to millimetres, x to
 * the patient's right, y to the front, z up.  A header in metres or
 * micrometres has been turned into them; one that names no unit has them.
 */
struct medvl_volume {
    int64_t size[3];
    double spacing[3]; /* mm */
    double affine[3][4];
    double slope, offset;
    enum medvl_voxel type;
    void *data;

    /* Of DICOM. */
    bool inverse;   /* shown with black and white exchanged */
    bool padded;    /* voxels stored as `padding` hold nothing: percentiles */
    double padding; /* pass over them */
};

/* The least and the greatest value of a voxel type. */
void medvl_voxel_range(double *low, double *high, enum medvl_voxel type);

/*
 * Read a .nii or .nii.gz file.
 *
 *   helper    path of medvl-decode; NULL: ../libexec as seen from this
 *             program, then where it was installed
 *   seconds   limit on the helper's time; 0: 120
 *
 * MEDVL_EFORMAT: damaged, cut short, or a float of the header that is used
 * and cannot be (NaN, infinite, beyond any patient).  MEDVL_EARG: more than
 * MEDVL_VOLUME_VOXELS or MEDVL_VOLUME_BYTES.  MEDVL_EUNSUPPORTED: more than
 * three dimensions, colour or complex values.  MEDVL_EIO: the helper did not
 * start, crashed or ran out of its limits.
 */
int medvl_volume_read(struct medvl_volume *out, const char *path,
                      const char *helper, int seconds,
                      struct medvl_error *err) MEDVL_MUST_CHECK;
void medvl_volume_release(struct medvl_volume *volume);

/* The value at a voxel, slope and offset applied. */
double medvl_volume_value(const struct medvl_volume *volume, int64_t i,
                          int64_t j, int64_t k);

/* True where every value is a whole number of 0..255 as it is stored. */
bool medvl_volume_is_grey8(const struct medvl_volume *volume);

/*
 * The values that window makes 0 and 255, over the whole volume.
 *
 * MEDVL_EFORMAT: percentiles of a volume without a finite value that is not
 * 0, or so far apart that their difference is not finite.
 */
int medvl_volume_range(double *low, double *high,
                       const struct medvl_volume *volume,
                       const struct medvl_window *window,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/* Same size, and voxels at the same places to a hundredth of a voxel. */
bool medvl_volume_same_grid(const struct medvl_volume *a,
                            const struct medvl_volume *b);

enum medvl_axis {
    MEDVL_AXIS_SAGITTAL, /* across x: left to right */
    MEDVL_AXIS_CORONAL,  /* across y: back to front */
    MEDVL_AXIS_AXIAL,    /* across z: up */
};
int medvl_axis_parse(enum medvl_axis *out, const char *name,
                     struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * How slices along an axis lie in the volume.  Each of the patient's axes
 * is given the volume's axis that runs closest to it; a tilted volume is
 * cut along its own (medvl_volume_cubes straightens it).
 */
struct medvl_slicing {
    int axis, column, row; /* volume axes: across, and in the picture */
    bool axis_flip;        /* slice 0 is the last index */
    bool column_flip;      /* the first column is the last index */
    bool row_flip;         /* the first row is the last index */
    int64_t count;         /* slices */
    int64_t width, height; /* pixels of a slice */
    double spacing[3];     /* mm: column, row, between slices */
    char orientation[3];   /* where columns and rows run to, in the letters
                              of DICOM's PatientOrientation: L R A P H F */
};
void medvl_slicing_init(struct medvl_slicing *out,
                        const struct medvl_volume *volume,
                        enum medvl_axis axis);

/* Show the patient the other way round: columns run back. */
void medvl_slicing_mirror(struct medvl_slicing *slicing);

/* Millimetres of slice `index` along the patient's axis, at its middle. */
double medvl_slicing_position(const struct medvl_slicing *slicing,
                              const struct medvl_volume *volume,
                              int64_t index);

/* Values of slice `index`, width * height of them, rows from the top. */
void medvl_slice_values(double *out, const struct medvl_volume *volume,
                        const struct medvl_slicing *slicing, int64_t index);

/*
 * The box of all voxels that are not zero, as slices see it: the first and
 * the one after the last of columns, rows and slices.  False when there is
 * none.
 */
bool medvl_slicing_content(int64_t low[3], int64_t high[3],
                           const struct medvl_volume *volume,
                           const struct medvl_slicing *slicing);

/* ---- other grids -------------------------------------------------------- */

enum medvl_sampling {
    /* The voxel that the place is in; on a border that of higher index. */
    MEDVL_SAMPLING_NEAREST,
    /* Between the centres of the eight voxels around, in each axis linear;
     * beyond the outer centres as at them.  Whole numbers are rounded. */
    MEDVL_SAMPLING_LINEAR,
};

/*
 * The grid of cubes of `mm` along the patient's axes that has the volume's
 * box in its middle and, to half a cube, its size: a volume without data.
 *
 * MEDVL_EARG: over the limits of a volume.
 */
int medvl_volume_cubes(struct medvl_volume *out,
                       const struct medvl_volume *volume, double mm,
                       struct medvl_error *err) MEDVL_MUST_CHECK;

/*
 * The volume at the voxel centres of another grid in the same patient, its
 * type, slope and offset as they were.  A voxel reaches half a step to each
 * side; outside the volume is 0, of linear sampling the least value where
 * that is below 0 (air, for a CT).
 *
 *   grid     size, spacing and affine; its data is not looked at
 *   inside   added to: voxels of the grid that lie in the volume; or NULL
 *   pool     may be NULL
 *
 * MEDVL_EARG: over the limits of a volume.  MEDVL_EFORMAT: the volume's
 * axes lie in one plane.  MEDVL_EUNSUPPORTED: nearest, and the voxels' scale
 * has no 0.
 */
int medvl_volume_resample(struct medvl_volume *out,
                          const struct medvl_volume *volume,
                          const struct medvl_volume *grid,
                          enum medvl_sampling sampling, int64_t *inside,
                          struct medvl_pool *pool,
                          struct medvl_error *err) MEDVL_MUST_CHECK;

#endif
