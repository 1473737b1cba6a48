// What the chunk of each family is made of, place by place: the number n behind (row, dim), and what else happens to
// the action made of it. Both builds end every family the same way and differ only in the loop around it.
#pragma once

#include "decode_core.h"

namespace edgevla {

// What most chunks add to their numbers: nothing.
struct PlainChunk {
    EDGEVLA_HD float placed(int, float action) const { return action; }
    EDGEVLA_HD float averaged(int, int, float action) const { return action; }
    EDGEVLA_HD int reason(int, int, int found) const { return found; }
};

struct TokenChunk : PlainChunk {
    const edgevla_token_args &args;
    const int32_t *ids;
    const int32_t *reasons;

    EDGEVLA_HD TokenChunk(const edgevla_token_args &args, const int32_t *ids, const int32_t *reasons)
        : args(args), ids(ids), reasons(reasons) {}
    EDGEVLA_HD float normalised(int row, int dim) const {
        const int place = row * args.dims + dim;
        return reasons[place] == EDGEVLA_VALID ? args.values[ids[place] - args.first] : quiet_nan();
    }
    EDGEVLA_HD int reason(int row, int dim, int found) const {
        const int own = reasons[row * args.dims + dim];
        return own == EDGEVLA_VALID ? found : own;
    }
};

template <typename Id>
struct IdChunk : PlainChunk {
    const edgevla_token_args &args;
    const Id *given;

    EDGEVLA_HD IdChunk(const edgevla_token_args &args, const Id *given) : args(args), given(given) {}
    EDGEVLA_HD float normalised(int row, int dim) const {
        const int64_t id = given[row * args.dims + dim];
        return is_allowed(args, id) ? args.values[id - args.first] : quiet_nan();
    }
    EDGEVLA_HD int reason(int row, int dim, int found) const {
        return is_allowed(args, given[row * args.dims + dim]) ? found : EDGEVLA_NOT_AN_ACTION;
    }
};

template <typename Number>
struct ReadyChunk : PlainChunk {
    const Number *n;
    int width;

    EDGEVLA_HD ReadyChunk(const edgevla_finish_args &args, int64_t start)
        : n(static_cast<const Number *>(args.x) + start), width(args.width) {}
    EDGEVLA_HD float normalised(int row, int dim) const { return number(n[static_cast<int64_t>(row) * width + dim]); }
};

template <typename Velocity>
struct FlowChunk : PlainChunk {
    const float *x;
    const Velocity *velocity;
    int width;
    float dt;

    EDGEVLA_HD FlowChunk(const edgevla_finish_args &args, int64_t start)
        : x(static_cast<const float *>(args.x) + start), velocity(static_cast<const Velocity *>(args.velocity) + start),
          width(args.width), dt(args.dt) {}
    EDGEVLA_HD float normalised(int row, int dim) const {
        const int64_t i = static_cast<int64_t>(row) * width + dim;
        return euler(x[i], number(velocity[i]), dt);
    }
};

template <typename Number>
struct EnsembleChunk : PlainChunk {
    const edgevla_ensemble_args &args;
    int64_t sample;

    EDGEVLA_HD EnsembleChunk(const edgevla_ensemble_args &args, int64_t sample) : args(args), sample(sample) {}
    EDGEVLA_HD float normalised(int row, int dim) const {
        return number(static_cast<const Number *>(args.normalised)[(sample * args.horizon + row) * args.width + dim]);
    }
    EDGEVLA_HD float placed(int dim, float action) const {
        return args.origin == nullptr ? action : action + args.origin[sample * args.dims + dim];
    }
    EDGEVLA_HD float averaged(int row, int dim, float action) const {
        const int32_t earlier = earlier_plans(args, sample, row);
        if (earlier == 0) return action;
        const int64_t place = (sample * args.horizon + row + args.shift[sample]) * args.dims + dim;
        return ensembled(args, earlier, args.before[place], action);
    }
};

}  // namespace edgevla
