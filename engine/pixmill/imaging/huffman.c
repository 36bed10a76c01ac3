/* Give the one scan of a sequential JPEG the Huffman codes that its own symbols make shortest.
 *
 * Symbols are read once into 32 bits each, counted, and written again: no coefficient is looked at.
 * Codes are made as libjpeg's `jpeg_gen_optimal_table` makes them, ties included, so that what comes
 * out is byte for byte what libjpeg writes with `optimize_coding`. Must not trust a length, a table
 * or a count that it is told: whatever is not as it must be ends in -1.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

enum {
    INTERFACE = 1,
    TABLES = 8, /* of DC 0 to 3, of AC 4 to 7 */
    LENGTHS = 16,
    SYMBOLS = 256,
    TABLE_BYTES = LENGTHS + SYMBOLS,
    QUICK_BITS = 10, /* 8 and 12 take 4 and 1 % longer on 400 kB of 2.5 MP */
    BLOCK = 64,
    MOST_BLOCKS = 10, /* of an MCU: ITU-T T.81 B.2.3 */
    MOST_BITS = 15,   /* behind a symbol */
    MOST_A_BYTE = 4,  /* symbols: no code of the tables that all libraries begin with has one bit */
    LONGEST = 64,     /* a code before it is limited: more takes more symbols than 4 GB hold */
    SLACK = 16,
    END_OF_BLOCK = 0x00,
    ZEROS = 0xF0,
};
static const uint64_t MERGED = UINT64_MAX;

typedef struct {
    uint16_t quick[1 << QUICK_BITS]; /* length << 8 | symbol; 0 where a code is longer */
    int32_t last[LENGTHS + 1], shift[LENGTHS + 1];
    uint8_t symbols[SYMBOLS];
} Reading;

typedef struct {
    uint16_t code[SYMBOLS];
    uint8_t length[SYMBOLS];
} Writing;

typedef struct {
    const uint8_t *bare; /* without stuffing; eight zeros follow */
    size_t length, at;   /* which may go beyond */
    uint64_t bits;
    unsigned held;
} Reader;

/* A symbol, the bits behind it, and the table that it is of. */
static uint32_t token_of(unsigned table, unsigned symbol, uint32_t behind) {
    return table << 24 | symbol << 16 | behind;
}

static int is_read_in(Reading *reading, const uint8_t *table) {
    const uint8_t *counts = table, *symbols = table + LENGTHS;
    unsigned code = 0, placed = 0;
    memset(reading, 0, sizeof *reading);
    memcpy(reading->symbols, symbols, SYMBOLS);
    for (unsigned length = 1; length <= LENGTHS; length++, code <<= 1) {
        unsigned count = counts[length - 1];
        if (placed + count > SYMBOLS || code + count > 1u << length) return 0;
        reading->shift[length] = (int32_t)placed - (int32_t)code;
        for (unsigned i = 0; i < count; i++, code++, placed++) {
            if (length > QUICK_BITS) continue;
            unsigned spare = QUICK_BITS - length;
            uint16_t entry = (uint16_t)(length << 8 | symbols[placed]);
            for (unsigned j = 0; j < 1u << spare; j++) reading->quick[(code << spare) + j] = entry;
        }
        reading->last[length] = count ? (int32_t)code - 1 : -1;
    }
    return 1;
}

/* In one expression, which compilers know as a load and a swap. */
static uint64_t big_endian(const uint8_t *at) {
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40
           | (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16
           | (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

/* Have what a symbol and the bits behind it can take, zeros beyond the end. */
static void fill(Reader *from) {
    if (from->held >= LENGTHS + MOST_BITS) return;
    if (from->at <= from->length) {
        from->bits |= big_endian(from->bare + from->at) >> from->held;
    }
    from->at += (63 - from->held) >> 3;
    from->held |= 56;
}

static uint32_t taken(Reader *from, unsigned count) {
    uint32_t value = count ? (uint32_t)(from->bits >> (64 - count)) : 0;
    from->bits <<= count;
    from->held -= count;
    return value;
}

static int symbol_of(const Reading *reading, Reader *from) {
    unsigned entry = reading->quick[from->bits >> (64 - QUICK_BITS)];
    if (entry) {
        taken(from, entry >> 8);
        return (int)(entry & 0xFF);
    }
    for (unsigned length = QUICK_BITS + 1; length <= LENGTHS; length++) {
        int32_t code = (int32_t)(from->bits >> (64 - length));
        if (code > reading->last[length]) continue;
        taken(from, length);
        return reading->symbols[(code + reading->shift[length]) & (SYMBOLS - 1)];
    }
    return -1;
}

typedef struct {
    uint32_t *tokens;
    size_t count, room;
    uint64_t seen[TABLES][SYMBOLS + 1];
} Told;

static int is_kept(Told *told, unsigned table, unsigned symbol, uint32_t behind) {
    if (told->count == told->room) return 0;
    told->tokens[told->count++] = token_of(table, symbol, behind);
    told->seen[table][symbol]++;
    return 1;
}

static int is_block_read(Told *told, Reader *from, const Reading *readings, const uint8_t *pair) {
    fill(from);
    int symbol = symbol_of(&readings[pair[0]], from);
    if (symbol < 0 || symbol > MOST_BITS) return 0;
    if (!is_kept(told, pair[0], (unsigned)symbol, taken(from, (unsigned)symbol))) return 0;
    for (int place = 1; place < BLOCK;) {
        fill(from);
        symbol = symbol_of(&readings[pair[1]], from);
        if (symbol < 0) return 0;
        unsigned behind = symbol & 0xF;
        if (!behind && symbol != END_OF_BLOCK && symbol != ZEROS) return 0;
        if (!is_kept(told, pair[1], (unsigned)symbol, taken(from, behind))) return 0;
        if (symbol == END_OF_BLOCK) break;
        place += (symbol >> 4) + 1;
        if (place > BLOCK) return 0;
    }
    return 1;
}

/* Whether nothing is left but the ones that fill a byte. */
static int is_at_end(const Reader *from) {
    int64_t left = 8 * ((int64_t)from->length - (int64_t)from->at) + (int64_t)from->held;
    if (left < 0 || left > 7) return 0;
    return left == 0 || from->bits >> (64 - left) == (1u << left) - 1;
}

/* ITU-T T.81 K.2: the lengths of codes, of which the last symbol's is given up. */
static int is_made(const uint64_t *seen, uint8_t *table) {
    uint64_t weight[SYMBOLS + 1];
    unsigned symbols[SYMBOLS + 1], lengths[SYMBOLS + 1], counts[LONGEST + 1] = {0};
    int next[SYMBOLS + 1];
    unsigned used = 0;
    for (unsigned symbol = 0; symbol < SYMBOLS; symbol++) {
        if (!seen[symbol]) continue;
        symbols[used] = symbol;
        weight[used++] = seen[symbol];
    }
    symbols[used] = SYMBOLS; /* no code may be all ones, and this one is the longest */
    weight[used++] = 1;
    for (unsigned i = 0; i < used; i++) lengths[i] = 0, next[i] = -1;
    for (;;) {
        int least = -1, second = -1;
        for (unsigned i = 0; i < used; i++) {
            if (weight[i] == MERGED) continue;
            if (least < 0 || weight[i] <= weight[least]) {
                second = least;
                least = (int)i;
            } else if (second < 0 || weight[i] <= weight[second]) {
                second = (int)i;
            }
        }
        if (second < 0) break;
        weight[least] += weight[second];
        weight[second] = MERGED;
        int last = least;
        for (lengths[last]++; next[last] >= 0; lengths[last]++) last = next[last];
        next[last] = second;
        for (int i = second; i >= 0; i = next[i]) lengths[i]++;
    }
    for (unsigned i = 0; i < used; i++) {
        if (lengths[i] > LONGEST) return 0;
        counts[lengths[i]]++;
    }
    for (unsigned length = LONGEST; length > LENGTHS; length--) {
        while (counts[length] > 0) {
            unsigned shorter = length - 2;
            while (counts[shorter] == 0) shorter--;
            counts[length] -= 2;
            counts[length - 1]++;
            counts[shorter + 1] += 2;
            counts[shorter]--;
        }
    }
    unsigned longest = LENGTHS;
    while (longest > 0 && counts[longest] == 0) longest--;
    counts[longest]--;
    memset(table, 0, TABLE_BYTES);
    for (unsigned length = 1; length <= LENGTHS; length++) table[length - 1] = (uint8_t)counts[length];
    uint8_t *sorted = table + LENGTHS;
    for (unsigned length = 1; length <= LONGEST; length++) {
        for (unsigned i = 0; i + 1 < used; i++) {
            if (lengths[i] == length) *sorted++ = (uint8_t)symbols[i];
        }
    }
    return 1;
}

static void write_out(Writing *writing, const uint8_t *table) {
    const uint8_t *symbols = table + LENGTHS;
    unsigned code = 0;
    for (unsigned length = 1; length <= LENGTHS; length++, code <<= 1) {
        for (unsigned i = 0; i < table[length - 1]; i++, code++, symbols++) {
            writing->code[*symbols] = (uint16_t)code;
            writing->length[*symbols] = (uint8_t)length;
        }
    }
}

typedef struct {
    uint8_t *out;
    size_t room, at;
    uint64_t bits; /* the lowest of which are held */
    unsigned held;
} Writer;

static int is_put(Writer *to, uint32_t value, unsigned count) {
    to->bits = to->bits << count | value;
    to->held += count;
    for (; to->held >= 32; to->held -= 32) {
        uint32_t four = (uint32_t)(to->bits >> (to->held - 32));
        if (to->room - to->at < 8) return 0;
        int has_ones = ((~four - 0x01010101u) & four & 0x80808080u) != 0; /* a byte of them */
        for (int shift = 24; shift >= 0; shift -= 8) {
            to->out[to->at++] = (uint8_t)(four >> shift);
            if (has_ones && to->out[to->at - 1] == 0xFF) to->out[to->at++] = 0;
        }
    }
    return 1;
}

/* Return how much of the room is written, or -1. */
static int64_t written(const Told *told, const Writing *writings, uint8_t *out, size_t room) {
    Writer to = {.out = out, .room = room};
    for (size_t i = 0; i < told->count; i++) {
        uint32_t token = told->tokens[i];
        unsigned symbol = token >> 16 & 0xFF, behind = symbol & 0xF;
        const Writing *writing = &writings[token >> 24];
        uint32_t value = (uint32_t)writing->code[symbol] << behind | (token & 0xFFFF);
        if (!is_put(&to, value, writing->length[symbol] + behind)) return -1;
    }
    if (!is_put(&to, 0x7F, 7)) return -1;
    for (; to.held >= 8; to.held -= 8) {
        if (to.room - to.at < 2) return -1;
        to.out[to.at] = (uint8_t)(to.bits >> (to.held - 8));
        if (to.out[to.at++] == 0xFF) to.out[to.at++] = 0;
    }
    return (int64_t)to.at;
}

/* Return how many bytes are left once zeros behind 0xFF are gone, or -1 where a marker stands. */
static int64_t unstuffed(const uint8_t *scan, size_t length, uint8_t *bare) {
    const uint8_t *at = scan, *end = scan + length;
    uint8_t *to = bare;
    while (at < end) {
        const uint8_t *stop = memchr(at, 0xFF, (size_t)(end - at));
        size_t plain = (size_t)((stop ? stop : end) - at);
        memcpy(to, at, plain);
        to += plain;
        if (!stop) break;
        if (end - stop < 2 || stop[1] != 0) return -1;
        *to++ = 0xFF;
        at = stop + 2;
    }
    memset(to, 0, 8);
    return to - bare;
}

static int64_t recoded(Told *told, Reader *from, const uint8_t *pairs, size_t blocks, size_t mcus,
                       const uint8_t *given, uint8_t *made, uint8_t *out, size_t room) {
    static const Writing NONE;
    Reading readings[TABLES];
    Writing writings[TABLES];
    for (unsigned table = 0; table < TABLES; table++) {
        if (!is_read_in(&readings[table], given + table * TABLE_BYTES)) return -1;
    }
    for (size_t mcu = 0; mcu < mcus; mcu++) {
        for (size_t block = 0; block < blocks; block++) {
            if (!is_block_read(told, from, readings, pairs + 2 * block)) return -1;
        }
    }
    if (!is_at_end(from)) return -1;
    for (unsigned table = 0; table < TABLES; table++) {
        writings[table] = NONE;
        if (!is_made(told->seen[table], made + table * TABLE_BYTES)) return -1;
        write_out(&writings[table], made + table * TABLE_BYTES);
    }
    return written(told, writings, out, room);
}

EXPORTED int pixmill_huffman_interface(void) { return INTERFACE; }

/* Recode a scan.
 *
 * `pairs` holds the DC and the AC table of each block of an MCU; `given` and `made` hold eight
 * tables each, the number of codes of every length and then the symbols; `out` has SLACK more
 * bytes than the scan. Returns the bytes that `out` holds, or -1 where the scan is not exactly what it
 * is said to be, where that room is short, or memory.
 */
EXPORTED int64_t pixmill_huffman_recode(const uint8_t *scan, uint64_t length, const uint8_t *pairs,
                                        uint64_t numbers, uint64_t mcus, const uint8_t *given,
                                        uint64_t table_bytes, uint8_t *made, uint8_t *out) {
    if (length > SIZE_MAX / 64 || table_bytes != TABLES * TABLE_BYTES) return -1;
    if (numbers < 2 || numbers > 2 * MOST_BLOCKS || numbers % 2) return -1;
    for (uint64_t i = 0; i < numbers; i += 2) {
        if (pairs[i] >= TABLES / 2 || pairs[i + 1] < TABLES / 2) return -1;
        if (pairs[i + 1] >= TABLES) return -1;
    }
    Told *told = calloc(1, sizeof *told);
    uint8_t *bare = malloc((size_t)length + 8);
    int64_t bytes = -1, plain = bare ? unstuffed(scan, (size_t)length, bare) : -1;
    if (told && plain >= 0) {
        told->room = MOST_A_BYTE * (size_t)plain + 1;
        told->tokens = malloc(told->room * sizeof *told->tokens);
        Reader from = {.bare = bare, .length = (size_t)plain};
        if (told->tokens) {
            bytes = recoded(told, &from, pairs, (size_t)numbers / 2, (size_t)mcus, given, made, out,
                            (size_t)length + SLACK);
        }
        free(told->tokens);
    }
    free(bare);
    free(told);
    return bytes;
}
