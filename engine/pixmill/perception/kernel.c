/* The hot part of SSIMULACRA2: from rows of two 8-bit sRGB images to sums over their error maps.
 *
 * Rows are streamed: each scale holds a window of nine of them, so memory grows with the width
 * alone. What it computes is told in `scales.py`; `arrays.py` is the same in numpy and a test holds
 * the two together. Must not allocate after `pixmill_open`, and must not trust a length it is told:
 * every buffer comes with its size.
 *
 * Compiled without contraction (FMA) and with sums in sixteen lanes of a fixed order, so that the
 * clones for AVX2 and for any other processor give the same bits.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__) && defined(__GLIBC__)
#define CLONED __attribute__((target_clones("avx2", "default")))
#else
#define CLONED
#endif
#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

enum {
    INTERFACE = 1,
    SCALES = 6,
    PLANES = 3,
    SUMS = 6,
    REACH = 4,
    WINDOW = 2 * REACH + 1,
    LANES = 16,
    MOST_EDGE = 1 << 24,
};
enum { ENDED = 0, REFERENCE = 1, CANDIDATE = 2, PAIR = 3 };
enum { FIRST, SECOND, IMAGES };
enum { OF_FIRST, OF_FIRST_SQUARED, OF_ERROR, OF_ERROR_SQUARED, OF_SECOND_SQUARED, BLURRED };

/* The impulse response of libjxl's recursive Gaussian for sigma 1.5 (Charalampidis 2016, N = 5). */
static const float TAPS[REACH + 1] = {0.264621105488f, 0.212928592010f, 0.109335372777f,
                                      0.036011114658f, 0.009414367810f};
static const float C2 = 0.0009f;
static const float BIAS = 0.0037930732552754493f, BIAS_ROOT = 0.15595420054924863f;

typedef struct {
    size_t width, stride, height, fed;
    unsigned planes;
    float *linear[IMAGES]; /* three bands of the row that is fed */
    float *held[IMAGES];   /* likewise of the row before, until there are two to average */
    float *raw[PLANES][IMAGES][WINDOW]; /* of the first image; of the error */
    float *blurred[PLANES][BLURRED][WINDOW];
    float *cache[PLANES]; /* image, mean and mean square of the reference, each stride * height */
    double sums[PLANES][SUMS];
} Scale;

typedef struct {
    int mode, scales;
    const float *to_linear;
    float *xyb[IMAGES], *padded[3], *mean, *square;
    void *memory;
    float table[256];
    Scale scale[SCALES];
} Measurement;

static size_t strided(size_t width) { return (width + LANES - 1) / LANES * LANES; }

static inline float cube_root(float x) {
    uint32_t bits;
    float y;
    memcpy(&bits, &x, sizeof bits);
    bits = bits / 3 + 0x2a514067u;
    memcpy(&y, &bits, sizeof y);
    for (int step = 0; step < 2; step++) { /* Halley: from 4 % to the last bit */
        float cube = y * y * y;
        y = y * (cube + 2.0f * x) / (2.0f * cube + x);
    }
    return y;
}

CLONED static void linearized(const uint8_t *row, size_t width, const float *table, float *bands,
                              size_t stride) {
    for (size_t x = 0; x < width; x++) {
        bands[x] = table[row[3 * x]];
        bands[stride + x] = table[row[3 * x + 1]];
        bands[2 * stride + x] = table[row[3 * x + 2]];
    }
}

/* Opsin absorbance and cube roots, shifted to be positive, as SSIMULACRA2 does. */
CLONED static void to_xyb(const float *restrict bands, size_t stride, unsigned planes,
                          float *restrict xyb) {
    const float *red = bands, *green = bands + stride, *blue = bands + 2 * stride;
    float *restrict out_x = xyb, *restrict out_y = xyb + stride, *restrict out_b = xyb + 2 * stride;
    for (size_t i = 0; i < stride; i++) {
        float l = cube_root(0.30f * red[i] + 0.622f * green[i] + 0.078f * blue[i] + BIAS);
        float m = cube_root(0.23f * red[i] + 0.692f * green[i] + 0.078f * blue[i] + BIAS);
        out_x[i] = 7.0f * (l - m) + 0.42f;
        out_y[i] = 0.5f * (l + m) - BIAS_ROOT + 0.01f;
    }
    if (!(planes & 4))
        return;
    for (size_t i = 0; i < stride; i++) {
        float s = cube_root(0.24342268924547819f * red[i] + 0.20476744424496821f * green[i] +
                            0.5518098665095536f * blue[i] + BIAS);
        out_b[i] = s - BIAS_ROOT - (out_y[i] - 0.01f) + 0.55f;
    }
}

CLONED static void halved(const float *above, const float *below, size_t width, size_t stride,
                          float *out, size_t out_stride) {
    for (int band = 0; band < 3; band++) {
        const float *restrict a = above + (size_t)band * stride;
        const float *restrict b = below + (size_t)band * stride;
        float *restrict o = out + (size_t)band * out_stride;
        for (size_t x = 0; x < width / 2; x++)
            o[x] = (a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]) * 0.25f;
        if (width % 2)
            o[width / 2] = (a[width - 1] + b[width - 1]) * 0.5f;
    }
}

/* `in` has REACH zeros on either side of its pixels, and as many to read past the last lane. */
CLONED static void blurred_along(const float *restrict in, size_t width, size_t stride,
                                 float *restrict out) {
    for (size_t x = 0; x < stride; x++)
        out[x] = TAPS[0] * in[x + 4] + TAPS[1] * (in[x + 3] + in[x + 5]) +
                 TAPS[2] * (in[x + 2] + in[x + 6]) + TAPS[3] * (in[x + 1] + in[x + 7]) +
                 TAPS[4] * (in[x] + in[x + 8]);
    memset(out + width, 0, (stride - width) * sizeof *out);
}

static inline float across(const float *const *rows, size_t x) {
    return TAPS[0] * rows[4][x] + TAPS[1] * (rows[3][x] + rows[5][x]) +
           TAPS[2] * (rows[2][x] + rows[6][x]) + TAPS[3] * (rows[1][x] + rows[7][x]) +
           TAPS[4] * (rows[0][x] + rows[8][x]);
}

CLONED static void blurred_across(const float *const *rows, size_t stride, float *restrict out) {
    for (size_t x = 0; x < stride; x++)
        out[x] = across(rows, x);
}

CLONED static void squared(const float *restrict in, size_t width, float *restrict out,
                           float *restrict out_squared) {
    for (size_t x = 0; x < width; x++) {
        out[x] = in[x];
        out_squared[x] = in[x] * in[x];
    }
}

CLONED static void compared(const float *restrict first, const float *restrict second, size_t width,
                            float *restrict kept, float *restrict error,
                            float *restrict error_squared, float *restrict second_squared) {
    for (size_t x = 0; x < width; x++) {
        float e = second[x] - first[x];
        kept[x] = error[x] = e;
        error_squared[x] = e * e;
        second_squared[x] = second[x] * second[x];
    }
}

static inline float positive(float x) { return x > 0.0f ? x : 0.0f; }
static inline float absolute(float x) { return x > 0.0f ? x : -x; }

/* Add one row of the maps. The structural error is written with the blurred error instead of with
 * the covariance: the same value, and exactly nothing where the images are the same. */
CLONED static void added(const float *restrict first, const float *restrict mean,
                         const float *restrict square, const float *restrict error,
                         const float *const *errors, const float *const *errors_squared,
                         const float *const *seconds_squared, size_t stride, double *sums) {
    float lanes[SUMS][LANES] = {{0}};
    for (size_t start = 0; start < stride; start += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            size_t x = start + lane;
            float m1 = mean[x], dm = across(errors, x), m2 = m1 + dm;
            float spread = across(errors_squared, x) - dm * dm;
            float room = (square[x] - m1 * m1) + (across(seconds_squared, x) - m2 * m2) + C2;
            float d = positive(dm * dm + (1.0f - dm * dm) * (spread / room));
            float edge1 = first[x] - m1, edge2 = edge1 + (error[x] - dm);
            float change = (absolute(edge2) - absolute(edge1)) / (1.0f + absolute(edge1));
            float gained = positive(change), lost = positive(-change);
            float d2 = d * d, gained2 = gained * gained, lost2 = lost * lost;
            lanes[0][lane] += d;
            lanes[1][lane] += gained;
            lanes[2][lane] += lost;
            lanes[3][lane] += d2 * d2;
            lanes[4][lane] += gained2 * gained2;
            lanes[5][lane] += lost2 * lost2;
        }
    }
    for (int sum = 0; sum < SUMS; sum++)
        for (int lane = 0; lane < LANES; lane++)
            sums[sum] += (double)lanes[sum][lane];
}

static void window(float *const *ring, size_t row, const float **rows) {
    for (size_t at = 0; at < WINDOW; at++) /* row - REACH + at, without going below zero */
        rows[at] = ring[(row + WINDOW - REACH + at) % WINDOW];
}

/* Finish row `y`, now that the REACH rows below it are in the window. */
static void finish_row(Measurement *all, Scale *scale, size_t y) {
    const float *rows[BLURRED][WINDOW];
    size_t plane_floats = scale->stride * scale->height;
    for (int plane = 0; plane < PLANES; plane++) {
        if (!(scale->planes >> plane & 1))
            continue;
        float *const *first = scale->raw[plane][FIRST];
        const float *image = first[y % WINDOW];
        float *mean = all->mean, *square = all->square;
        if (all->mode != PAIR) {
            float *cached = scale->cache[plane] + y * scale->stride;
            mean = cached + plane_floats, square = cached + 2 * plane_floats;
            if (all->mode == REFERENCE)
                memcpy(cached, image, scale->stride * sizeof *cached);
            else
                image = cached;
        }
        for (int kind = 0; kind < BLURRED; kind++)
            window(scale->blurred[plane][kind], y, rows[kind]);
        if (all->mode & REFERENCE) {
            blurred_across(rows[OF_FIRST], scale->stride, mean);
            blurred_across(rows[OF_FIRST_SQUARED], scale->stride, square);
        }
        if (all->mode & CANDIDATE)
            added(image, mean, square, scale->raw[plane][SECOND][y % WINDOW], rows[OF_ERROR],
                  rows[OF_ERROR_SQUARED], rows[OF_SECOND_SQUARED], scale->stride,
                  scale->sums[plane]);
    }
}

static void take_plane(Measurement *all, Scale *scale, int plane, size_t y) {
    size_t slot = y % WINDOW, width = scale->width, stride = scale->stride;
    float **padded = all->padded;
    const float *first = all->xyb[FIRST] + (size_t)plane * stride;
    for (int at = 0; at < 3; at++) /* a narrower scale leaves no pixels of a wider one behind */
        memset(padded[at] + REACH + width, 0, (stride - width + 2 * REACH) * sizeof(float));
    if (all->mode & REFERENCE) {
        memcpy(scale->raw[plane][FIRST][slot], first, width * sizeof *first);
        squared(first, width, padded[0] + REACH, padded[1] + REACH);
        blurred_along(padded[0], width, stride, scale->blurred[plane][OF_FIRST][slot]);
        blurred_along(padded[1], width, stride, scale->blurred[plane][OF_FIRST_SQUARED][slot]);
    } else {
        first = scale->cache[plane] + y * stride;
    }
    if (!(all->mode & CANDIDATE))
        return;
    compared(first, all->xyb[SECOND] + (size_t)plane * stride, width,
             scale->raw[plane][SECOND][slot], padded[0] + REACH, padded[1] + REACH,
             padded[2] + REACH);
    for (int at = 0; at < 3; at++)
        blurred_along(padded[at], width, stride, scale->blurred[plane][OF_ERROR + at][slot]);
}

/* Take the row that lies in `scale->linear`, and hand every pair of rows down to the next scale. */
static void take_row(Measurement *all, int at) {
    Scale *scale = &all->scale[at];
    size_t y = scale->fed++;
    for (int image = FIRST; image < IMAGES; image++)
        if (all->mode >> image & 1)
            to_xyb(scale->linear[image], scale->stride, scale->planes, all->xyb[image]);
    for (int plane = 0; plane < PLANES; plane++)
        if (scale->planes >> plane & 1)
            take_plane(all, scale, plane, y);
    if (y >= REACH)
        finish_row(all, scale, y - REACH);
    if (at + 1 == all->scales)
        return;
    int is_last = y + 1 == scale->height;
    if (y % 2 == 0 && !is_last) {
        for (int image = FIRST; image < IMAGES; image++)
            if (all->mode >> image & 1)
                memcpy(scale->held[image], scale->linear[image],
                       3 * scale->stride * sizeof(float));
        return;
    }
    Scale *next = &all->scale[at + 1];
    for (int image = FIRST; image < IMAGES; image++)
        if (all->mode >> image & 1)
            halved(y % 2 ? scale->held[image] : scale->linear[image], scale->linear[image],
                   scale->width, scale->stride, next->linear[image], next->stride);
    take_row(all, at + 1);
}

/* Let REACH rows of zeros follow the last one, which finishes the rows that wait for them. */
static void finish_scale(Measurement *all, Scale *scale) {
    for (size_t y = scale->height; y < scale->height + REACH; y++) {
        for (int plane = 0; plane < PLANES; plane++)
            for (int kind = 0; kind < BLURRED && scale->planes >> plane & 1; kind++)
                memset(scale->blurred[plane][kind][y % WINDOW], 0, scale->stride * sizeof(float));
        if (y >= REACH)
            finish_row(all, scale, y - REACH);
    }
}

/* Hand out the memory of one measurement, or only count it where `next` is null. */
static float *carved(float **next, uint64_t *floats, uint64_t wanted) {
    float *start = *next;
    *floats += wanted;
    if (start)
        *next = start + wanted;
    return start;
}

static uint64_t laid_out(Measurement *all, float *memory) {
    uint64_t floats = 0, widest = all->scale[0].stride;
    float **next = &memory;
    for (int image = FIRST; image < IMAGES; image++)
        all->xyb[image] = carved(next, &floats, 3 * widest);
    for (int at = 0; at < 3; at++)
        all->padded[at] = carved(next, &floats, widest + 4 * REACH);
    all->mean = carved(next, &floats, widest);
    all->square = carved(next, &floats, widest);
    for (int at = 0; at < all->scales; at++) {
        Scale *scale = &all->scale[at];
        for (int image = FIRST; image < IMAGES; image++) {
            scale->linear[image] = carved(next, &floats, 3 * (uint64_t)scale->stride);
            scale->held[image] = carved(next, &floats, 3 * (uint64_t)scale->stride);
        }
        for (int plane = 0; plane < PLANES; plane++) {
            if (!(scale->planes >> plane & 1))
                continue;
            for (int row = 0; row < WINDOW; row++) {
                for (int image = FIRST; image < IMAGES; image++)
                    scale->raw[plane][image][row] = carved(next, &floats, scale->stride);
                for (int kind = 0; kind < BLURRED; kind++)
                    scale->blurred[plane][kind][row] = carved(next, &floats, scale->stride);
            }
        }
    }
    return floats;
}

static int shaped(Measurement *all, int64_t width, int64_t height, const uint8_t *planes) {
    if (width < 1 || height < 1 || width > MOST_EDGE || height > MOST_EDGE)
        return 0;
    all->scales = 0;
    for (int at = 0; at < SCALES; at++) {
        Scale *scale = &all->scale[at];
        scale->width = (size_t)width, scale->height = (size_t)height;
        scale->stride = strided(scale->width);
        scale->planes = planes[at] & 7u;
        if (scale->planes)
            all->scales = at + 1;
        width = (width + 1) / 2, height = (height + 1) / 2;
    }
    return all->scales > 0;
}

static uint64_t cached(Measurement *all, float *cache) {
    uint64_t floats = 0;
    for (int at = 0; at < all->scales; at++)
        for (int plane = 0; plane < PLANES; plane++)
            if (all->scale[at].planes >> plane & 1)
                all->scale[at].cache[plane] = carved(
                    &cache, &floats, 3 * (uint64_t)all->scale[at].stride * all->scale[at].height);
    return floats;
}

EXPORTED int pixmill_interface(void) { return INTERFACE; }

/* Return how many floats the cache of a reference takes, 0 for sizes that cannot be measured. */
EXPORTED uint64_t pixmill_cache_floats(int64_t width, int64_t height, const uint8_t *planes) {
    Measurement all;
    memset(&all, 0, sizeof all);
    return shaped(&all, width, height, planes) ? cached(&all, NULL) : 0;
}

/* Return how many bytes a measurement holds beside the cache, likewise. */
EXPORTED uint64_t pixmill_state_bytes(int64_t width, int64_t height, const uint8_t *planes) {
    Measurement all;
    memset(&all, 0, sizeof all);
    if (!shaped(&all, width, height, planes))
        return 0;
    return laid_out(&all, NULL) * sizeof(float) + sizeof all;
}

EXPORTED void pixmill_close(Measurement *all) {
    if (all)
        free(all->memory);
    free(all);
}

/* Begin to fill the cache (1), to compare with it (2) or to compare without one (3).
 * `planes` has six sets of planes, `table` 256 levels of light. Null: no memory, or bad sizes. */
EXPORTED Measurement *pixmill_open(int64_t width, int64_t height, const uint8_t *planes,
                                   const float *table, int mode, float *cache,
                                   uint64_t cache_floats) {
    Measurement *all = calloc(1, sizeof *all);
    if (!all)
        return NULL;
    all->mode = mode;
    memcpy(all->table, table, sizeof all->table);
    int is_sound = mode >= REFERENCE && mode <= PAIR && shaped(all, width, height, planes);
    if (is_sound && mode != PAIR)
        is_sound = cache && cached(all, cache) == cache_floats;
    uint64_t floats = is_sound ? laid_out(all, NULL) : 0;
    if (is_sound && floats <= SIZE_MAX / sizeof(float))
        all->memory = calloc((size_t)floats, sizeof(float));
    if (!all->memory) {
        pixmill_close(all);
        return NULL;
    }
    laid_out(all, all->memory);
    return all;
}

/* Take the next `rows` rows of the images that the mode asks for; 0, or -1 for bad lengths. */
EXPORTED int pixmill_feed(Measurement *all, uint64_t rows, const uint8_t *first,
                          uint64_t first_bytes, const uint8_t *second, uint64_t second_bytes) {
    const uint8_t *pixels[IMAGES] = {first, second};
    uint64_t bytes[IMAGES] = {first_bytes, second_bytes};
    Scale *scale = &all->scale[0];
    if (all->mode == ENDED || rows > scale->height - scale->fed)
        return -1;
    for (int image = FIRST; image < IMAGES; image++)
        if (all->mode >> image & 1 &&
            (!pixels[image] || bytes[image] != rows * 3 * (uint64_t)scale->width))
            return -1;
    for (uint64_t row = 0; row < rows; row++) {
        for (int image = FIRST; image < IMAGES; image++)
            if (all->mode >> image & 1)
                linearized(pixels[image] + row * 3 * scale->width, scale->width, all->table,
                           scale->linear[image], scale->stride);
        take_row(all, 0);
    }
    return 0;
}

/* End after the last row, and give six sums for each plane of each scale; -1 if rows lack. */
EXPORTED int pixmill_finish(Measurement *all, double *sums) {
    if (all->mode == ENDED || all->scale[0].fed != all->scale[0].height)
        return -1;
    for (int at = 0; at < all->scales; at++)
        finish_scale(all, &all->scale[at]);
    for (int at = 0; at < SCALES; at++)
        memcpy(sums + at * PLANES * SUMS, all->scale[at].sums, sizeof all->scale[at].sums);
    all->mode = ENDED;
    return 0;
}
