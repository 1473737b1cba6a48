/* Action decoding: the C ABI that every build of this folder offers, on the CPU and on a GPU.
 *
 * Every function takes one struct, which the caller fills once and may reuse for ever, and a stream. It allocates
 * nothing, synchronises nothing and keeps no state, so that it can be captured into a CUDA graph. All pointers of a
 * struct are device pointers in the CUDA build and host pointers in the others, where the stream is ignored and the
 * call returns when the work is done. What changes from chunk to chunk (noise keys, shifts) is read through a
 * pointer, because a captured graph replays the same struct.
 *
 * Arrays are dense and row-major; a leading `samples` axis holds independent chunks, one on a robot. The network's
 * rows may be wider than the robot (`width` >= `dims`): columns from `dims` on are padding and never looked at.
 * Arithmetic is float32 unless said otherwise, in the order written here, without fused multiply-add, with subnormals
 * kept. At most 1024 samples, rows and columns.
 *
 * A faulty sample never becomes motion: its verdict says why, and all of its actions are NaN, so that a caller who
 * forgets the verdict still meets the finite check behind it.
 */
#ifndef EDGEVLA_DECODE_H
#define EDGEVLA_DECODE_H

#include <stdint.h>

#define EDGEVLA_ABI 1

#if defined(_WIN32)
#define EDGEVLA_API __declspec(dllexport)
#else
#define EDGEVLA_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a call returns. On anything but EDGEVLA_OK nothing was launched and no output was touched. */
enum {
    EDGEVLA_OK = 0,
    EDGEVLA_BAD_ARGUMENT = 1, /* a null pointer, a size out of range, an unknown code */
    EDGEVLA_LAUNCH_FAILED = 2 /* CUDA refused the launch */
};

/* Why a sample is invalid. */
enum {
    EDGEVLA_VALID = 0,
    EDGEVLA_NOT_FINITE = 1,   /* NaN or infinite: an input, or an action */
    EDGEVLA_NOT_BELIEVED = 2, /* a normalised number further out than `believed` */
    EDGEVLA_NOT_AN_ACTION = 3 /* the network's first choice is no allowed action token */
};

/* Types of what a network gives. */
enum { EDGEVLA_F32 = 0, EDGEVLA_F16 = 1, EDGEVLA_I32 = 2, EDGEVLA_I64 = 3 };

/* How a normalised number n becomes an action. */
enum {
    EDGEVLA_SCALE = 0, /* n * scale + offset                 mean and spread; RT-1's token / (V - 1) */
    EDGEVLA_HALF = 1   /* (0.5 * (n + 1)) * scale + offset   quantiles, minimum and maximum */
};

/* One per sample. `where` is row * dims + dimension of the first fault, -1 without one. */
typedef struct {
    int32_t valid;
    int32_t reason;
    int32_t where;
    int32_t clamped; /* values of a valid sample that the clamp changed */
} edgevla_verdict;

/* The robot's side of the numbers: un-normalise, then clamp. */
typedef struct {
    int32_t rule;         /* EDGEVLA_SCALE or EDGEVLA_HALF */
    float believed;       /* largest |n| that is believed, > 0, of masked columns too; infinity: any finite one */
    const float *scale;   /* (dims) the spread or range, its epsilon included */
    const float *offset;  /* (dims) the mean or lower bound */
    const uint8_t *mask;  /* (dims) 0: the number passes through unchanged; null: none does */
    const float *low;     /* (dims) smallest action; null: none */
    const float *high;    /* (dims) largest action; null: none */
} edgevla_space;

/* Tokens, by logits or by ids already chosen.
 *
 * Logits: the greedy choice, the lowest id on a tie. The sample is invalid when a choice among all ids is not an
 * allowed action id, when any logit is NaN, or when the largest is infinite. (Where the choice is allowed, it is also
 * the choice among the allowed ids alone: one argmax serves both.) */
typedef struct {
    int32_t samples, horizon, dims;
    int32_t vocabulary;     /* 1 … 2^20 */
    int32_t type;           /* logits: F32, F16; ids: I32, I64 */
    int32_t first, count;   /* the action ids: first … first + count - 1, inside the vocabulary */
    const void *input;      /* logits (samples, horizon * dims, vocabulary) or ids (samples, horizon * dims) */
    const uint8_t *allowed; /* (count) 0: this id may not be chosen; null: all may */
    const float *values;    /* (count) the normalised number that each id stands for */
    edgevla_space space;
    float *actions;         /* out (samples, horizon, dims) */
    int32_t *ids;           /* out (samples, horizon * dims): the choices, allowed or not; -1 where there is none */
    edgevla_verdict *verdicts; /* out (samples) */
    int32_t *scratch;       /* (samples, 1 + horizon * dims) zero before the first call, then one stream's */
} edgevla_token_args;

EDGEVLA_API int edgevla_token_logits(const edgevla_token_args *args, void *stream);
EDGEVLA_API int edgevla_token_ids(const edgevla_token_args *args, void *stream); /* needs no scratch */

/* One Euler step of flow matching: out = x + dt * velocity. `out` may be `x`. */
typedef struct {
    int32_t samples, horizon, width;
    int32_t type;         /* of velocity: F32, F16 */
    float dt;             /* negative where noise is at t = 1 */
    const float *x;       /* (samples, horizon, width) */
    const void *velocity; /* (samples, horizon, width) */
    float *out;           /* (samples, horizon, width) */
} edgevla_flow_args;

EDGEVLA_API int edgevla_flow_step(const edgevla_flow_args *args, void *stream);

/* Normalised numbers to actions. edgevla_unnormalise takes n = x (`velocity` null, `dt` unused, `type` of x);
 * edgevla_flow_finish, the last Euler step in one pass with it, n = x + dt * velocity (x F32, `type` of velocity). */
typedef struct {
    int32_t samples, horizon, width, dims;
    int32_t type;
    float dt;
    const void *x;        /* (samples, horizon, width) */
    const void *velocity; /* (samples, horizon, width) */
    edgevla_space space;
    float *actions;            /* out (samples, horizon, dims) */
    edgevla_verdict *verdicts; /* out (samples) */
} edgevla_finish_args;

EDGEVLA_API int edgevla_flow_finish(const edgevla_finish_args *args, void *stream);
EDGEVLA_API int edgevla_unnormalise(const edgevla_finish_args *args, void *stream);

/* Standard normal noise by counter (decode_noise.h): the same numbers on every device. */
typedef struct {
    int32_t samples, horizon, width;
    uint32_t draw;       /* which noise of the chunk: 0 is where denoising starts, i is what its step i adds */
    const uint32_t *key; /* (samples, 4): seed low, seed high, chunk number low, chunk number high */
    float *out;          /* (samples, horizon, width) */
} edgevla_noise_args;

EDGEVLA_API int edgevla_noise(const edgevla_noise_args *args, void *stream);

/* One step of DDPM as Octo takes it:
 *   y = inverse * (x - share * epsilon) + spread * z, then clipped to ±clip; where `active` is 0, y = masked * z.
 * Clipping makes NaN of what is infinite: clipped, a fault would look like an action.
 * inverse = 1 / sqrt(alpha), share = (1 - alpha) / sqrt(1 - alphabar), spread = sqrt(beta) or 0 at the last step,
 * masked = sqrt(1 - alphabar). */
typedef struct {
    int32_t samples, horizon, width;
    int32_t type; /* of epsilon: F32, F16 */
    float inverse, share, spread, masked, clip;
    uint32_t draw;
    const uint32_t *key;   /* (samples, 4) as in edgevla_noise_args */
    const uint8_t *active; /* (width) 0: noised, not denoised; null: all are denoised */
    const float *x;        /* (samples, horizon, width) */
    const void *epsilon;   /* (samples, horizon, width) */
    float *out;            /* (samples, horizon, width), may be x */
} edgevla_ddpm_args;

EDGEVLA_API int edgevla_ddpm_step(const edgevla_ddpm_args *args, void *stream);

/* One step of DDIM as diffusers takes it: x0 = (x - noise * epsilon) / signal, clipped to ±clip,
 *   y = signal_next * x0 + direction * epsilon [+ spread * z when spread > 0].
 * signal = sqrt(alphabar), noise = sqrt(1 - alphabar), direction = sqrt(1 - alphabar_next - spread^2). */
typedef struct {
    int32_t samples, horizon, width;
    int32_t type; /* of epsilon: F32, F16 */
    float signal, noise, signal_next, direction, spread, clip;
    uint32_t draw;
    const uint32_t *key;   /* (samples, 4); null when spread is 0 */
    const float *x;        /* (samples, horizon, width) */
    const void *epsilon;   /* (samples, horizon, width) */
    float *out;            /* (samples, horizon, width), may be x */
} edgevla_ddim_args;

EDGEVLA_API int edgevla_ddim_step(const edgevla_ddim_args *args, void *stream);

/* FAST: n[time] = sum over rising k of basis[time][k] * (coefficient[k] / divisor), in float64 as upstream has it. */
typedef struct {
    int32_t samples, horizon, dims;
    double divisor;              /* FAST's scale, 10 */
    const int32_t *coefficients; /* (samples, horizon, dims) */
    const double *basis;         /* (horizon, horizon) [time][frequency]: the inverse DCT as a matrix */
    edgevla_space space;
    float *actions;              /* out (samples, horizon, dims) */
    edgevla_verdict *verdicts;   /* out (samples) */
} edgevla_dct_args;

EDGEVLA_API int edgevla_inverse_dct(const edgevla_dct_args *args, void *stream);

/* Un-normalise a chunk and average it with what earlier chunks planned for the same moments (ACT, Octo):
 *   e = (before * totals[c - 1] + action * weights[c]) / totals[c], c = min(count, history - 1) earlier plans.
 * `before` and `after` are two buffers that change places from chunk to chunk. An invalid chunk leaves nothing behind:
 * its counts are 0. */
typedef struct {
    int32_t samples, horizon, width, dims;
    int32_t type;            /* of normalised: F32, F16 */
    int32_t history;         /* length of weights and totals, >= 1 */
    const void *normalised;  /* (samples, horizon, width) */
    const float *origin;     /* (samples, dims) added to the action: where a delta starts; null: nothing */
    const float *weights;    /* (history) weights[0] is the oldest plan's */
    const float *totals;     /* (history) running sum of weights */
    const int32_t *shift;    /* (samples) rows that have passed since `before`, >= 0; horizon or more: none is left */
    const float *before;     /* (samples, horizon, dims) */
    const int32_t *before_count; /* (samples, horizon) plans averaged in each row, 0 to begin with */
    edgevla_space space;
    float *actions;          /* out (samples, horizon, dims): `before` of the next call */
    int32_t *counts;         /* out (samples, horizon): `before_count` of the next call */
    edgevla_verdict *verdicts; /* out (samples) */
} edgevla_ensemble_args;

EDGEVLA_API int edgevla_ensemble(const edgevla_ensemble_args *args, void *stream);

/* EDGEVLA_ABI of the library, and how it was built, for reports. */
EDGEVLA_API int edgevla_abi(void);
EDGEVLA_API const char *edgevla_build(void);

#ifdef __cplusplus
}
#endif

#endif
