// Calls every function of the C ABI on random and awkward chunks, in memory that ends where the arrays end, and prints
// a line a call: its name, sizes, status, and a hash of all that it wrote.
//
// `sweep SEED CALLS`. Linked to the native or the emulated build, under a sanitizer or none, it prints the same.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "edgevla_decode.h"

namespace {

std::mt19937 source;

int between(int least, int most) { return least + static_cast<int>(source() % (most - least + 1)); }

float uniform(float least, float most) {
    return least + (most - least) * (static_cast<float>(source() >> 8) * 5.9604645e-8F);
}

// Mostly numbers of a healthy network; now and then one that is not.
float awkward(bool faulty) {
    if (!faulty || between(0, 40) != 0) return uniform(-3.0F, 3.0F);
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float odd[] = {std::nanf(""), infinity, -infinity, 3e38F, -3e38F, 1e-42F, -0.0F, 30.0F, -30.0F, 0.0F};
    return odd[between(0, 9)];
}

std::vector<float> floats(int64_t count, bool faulty = false) {
    std::vector<float> made(count);
    for (float &value : made) value = awkward(faulty);
    return made;
}

// Numbers as a network gives them: float32, or halves, of which every pattern of bits may come.
struct Numbers {
    int32_t type;
    std::vector<float> wide;
    std::vector<uint16_t> narrow;

    Numbers(int64_t count, bool faulty) : type(between(0, 1)) {
        if (type == EDGEVLA_F32) wide = floats(count, faulty);
        if (type == EDGEVLA_F32) return;
        for (int64_t i = 0; i < count; ++i) {
            const bool any = faulty && between(0, 40) == 0;
            narrow.push_back(static_cast<uint16_t>(any ? source() : (source() & 0x83ff) | 0x3800));
        }
    }
    const void *data() const { return type == EDGEVLA_F32 ? static_cast<const void *>(wide.data()) : narrow.data(); }
};

struct Space {
    std::vector<float> scale, offset, low, high;
    std::vector<uint8_t> mask;

    explicit Space(int dims) {
        for (int dim = 0; dim < dims; ++dim) {
            scale.push_back(uniform(0.01F, 2.0F));
            offset.push_back(uniform(-1.0F, 1.0F));
            low.push_back(uniform(-2.0F, 0.0F));
            high.push_back(uniform(0.0F, 2.0F));
            mask.push_back(static_cast<uint8_t>(between(0, 1)));
        }
    }
    edgevla_space view() const {
        const float believed = between(0, 1) == 0 ? 20.0F : std::numeric_limits<float>::infinity();
        return {between(0, 1), believed, scale.data(), offset.data(), between(0, 1) == 0 ? mask.data() : nullptr,
                between(0, 1) == 0 ? low.data() : nullptr, between(0, 1) == 0 ? high.data() : nullptr};
    }
};

// FNV-1a. All NaNs count as one: IEEE leaves their bits open.
struct Hash {
    uint64_t value = 14695981039346656037U;

    template <typename Number>
    void add(const std::vector<Number> &numbers) {
        for (const Number &number : numbers) {
            Number seen = number;
            if constexpr (std::is_floating_point_v<Number>)
                if (seen != seen) seen = std::numeric_limits<Number>::quiet_NaN();
            const auto *bytes = reinterpret_cast<const unsigned char *>(&seen);
            for (size_t i = 0; i < sizeof seen; ++i) value = (value ^ bytes[i]) * 1099511628211U;
        }
    }
};

struct Sizes {
    int samples = between(1, 2), horizon = between(1, 64), dims = between(1, 32), width = dims + between(0, 3);
    int64_t padded() const { return static_cast<int64_t>(samples) * horizon * width; }
    int64_t places() const { return static_cast<int64_t>(samples) * horizon * dims; }
};

template <typename... Outputs>
void report(const char *name, const Sizes &sizes, int status, const Outputs &...outputs) {
    Hash hash;
    (hash.add(outputs), ...);
    std::printf("%s %dx%dx%d/%d status %d %016llx\n", name, sizes.samples, sizes.horizon, sizes.dims, sizes.width,
                status, static_cast<unsigned long long>(hash.value));
}

bool sometimes() { return between(0, 2) == 0; }

void tokens(bool by_id) {
    Sizes sizes;
    sizes.horizon = between(1, 4);
    sizes.dims = between(1, 4);
    const int vocabulary = between(0, 3) == 0 ? between(1, 70) : between(1, 3000);
    const int first = between(0, vocabulary - 1), count = between(1, vocabulary - first);
    const int64_t places = sizes.places();
    const bool faulty = sometimes();
    const Numbers logits(by_id ? 0 : places * vocabulary, faulty);
    std::vector<int64_t> long_ids;
    for (int64_t i = 0; by_id && i < places; ++i) {
        const bool any = faulty && sometimes();
        long_ids.push_back(any ? static_cast<int64_t>(source()) * 5 - 7 : between(first, first + count - 1));
    }
    const std::vector<int32_t> short_ids(long_ids.begin(), long_ids.end());
    const bool is_long = between(0, 1) == 0;
    std::vector<uint8_t> allowed(count);
    for (uint8_t &one : allowed) one = static_cast<uint8_t>(between(0, 3) != 0);
    const std::vector<float> values = floats(count);
    const Space space(sizes.dims);
    std::vector<float> actions(places);
    std::vector<int32_t> ids(places), scratch(sizes.samples + places), verdicts(sizes.samples * 4);
    edgevla_token_args args = {};
    args.samples = sizes.samples, args.horizon = sizes.horizon, args.dims = sizes.dims, args.vocabulary = vocabulary;
    args.type = by_id ? (is_long ? EDGEVLA_I64 : EDGEVLA_I32) : logits.type;
    args.first = first, args.count = count;
    args.input = by_id ? (is_long ? static_cast<const void *>(long_ids.data()) : short_ids.data()) : logits.data();
    args.allowed = sometimes() ? allowed.data() : nullptr;
    args.values = values.data(), args.space = space.view(), args.actions = actions.data(), args.ids = ids.data();
    args.verdicts = reinterpret_cast<edgevla_verdict *>(verdicts.data()), args.scratch = scratch.data();
    // Twice: a call leaves its scratch as the next one needs it.
    int status = 0;
    for (int turn = 0; turn < 2; ++turn) {
        std::fill(actions.begin(), actions.end(), 0.0F);
        std::fill(verdicts.begin(), verdicts.end(), 0);
        status += by_id ? edgevla_token_ids(&args, nullptr) : edgevla_token_logits(&args, nullptr);
    }
    report(by_id ? "token_ids" : "token_logits", sizes, status, actions, ids, verdicts);
}

void flow_step() {
    const Sizes sizes;
    const std::vector<float> x = floats(sizes.padded(), sometimes());
    const Numbers velocity(sizes.padded(), sometimes());
    std::vector<float> out(sizes.padded());
    const edgevla_flow_args args = {sizes.samples, sizes.horizon, sizes.width, velocity.type, uniform(-0.3F, 0.3F),
                                    x.data(), velocity.data(), out.data()};
    report("flow_step", sizes, edgevla_flow_step(&args, nullptr), out);
}

void finish(bool with_step) {
    const Sizes sizes;
    const bool faulty = sometimes();
    const std::vector<float> x = floats(with_step ? sizes.padded() : 0, faulty);
    const Numbers given(sizes.padded(), faulty);
    const Space space(sizes.dims);
    std::vector<float> actions(sizes.places());
    std::vector<int32_t> verdicts(sizes.samples * 4);
    edgevla_finish_args args = {};
    args.samples = sizes.samples, args.horizon = sizes.horizon, args.width = sizes.width, args.dims = sizes.dims;
    args.type = given.type, args.dt = -0.1F, args.space = space.view(), args.actions = actions.data();
    args.verdicts = reinterpret_cast<edgevla_verdict *>(verdicts.data());
    args.x = with_step ? static_cast<const void *>(x.data()) : given.data();
    args.velocity = with_step ? given.data() : nullptr;
    const int status = with_step ? edgevla_flow_finish(&args, nullptr) : edgevla_unnormalise(&args, nullptr);
    report(with_step ? "flow_finish" : "unnormalise", sizes, status, actions, verdicts);
}

std::vector<uint32_t> key_of(const Sizes &sizes) {
    std::vector<uint32_t> key(sizes.samples * 4);
    for (uint32_t &word : key) word = static_cast<uint32_t>(source());
    return key;
}

void noise() {
    const Sizes sizes;
    const std::vector<uint32_t> key = key_of(sizes);
    std::vector<float> out(sizes.padded());
    const auto draw = static_cast<uint32_t>(source());
    const edgevla_noise_args args = {sizes.samples, sizes.horizon, sizes.width, draw, key.data(), out.data()};
    report("noise", sizes, edgevla_noise(&args, nullptr), out);
}

void ddpm() {
    const Sizes sizes;
    const bool faulty = sometimes();
    const Numbers epsilon(sizes.padded(), faulty);
    const std::vector<uint32_t> key = key_of(sizes);
    std::vector<uint8_t> active(sizes.width);
    for (uint8_t &one : active) one = static_cast<uint8_t>(between(0, 3) != 0);
    std::vector<float> x = floats(sizes.padded(), faulty);
    const float clip = sometimes() ? std::numeric_limits<float>::infinity() : 5.0F;
    const edgevla_ddpm_args args = {sizes.samples, sizes.horizon, sizes.width, epsilon.type, 1.2F, 0.3F,
                                    uniform(0.0F, 1.0F), 0.09F, clip,
                                    static_cast<uint32_t>(between(0, 20)), key.data(),
                                    sometimes() ? active.data() : nullptr, x.data(), epsilon.data(), x.data()};
    report("ddpm_step", sizes, edgevla_ddpm_step(&args, nullptr), x);
}

void ddim() {
    const Sizes sizes;
    const bool faulty = sometimes();
    const Numbers epsilon(sizes.padded(), faulty);
    const std::vector<uint32_t> key = key_of(sizes);
    std::vector<float> x = floats(sizes.padded(), faulty);
    const float spread = sometimes() ? 0.2F : 0.0F;
    const edgevla_ddim_args args = {sizes.samples, sizes.horizon, sizes.width, epsilon.type, 0.9F, 0.43F, 0.95F, 0.3F,
                                    spread, 1.0F, static_cast<uint32_t>(between(0, 20)),
                                    spread > 0 ? key.data() : nullptr, x.data(), epsilon.data(), x.data()};
    report("ddim_step", sizes, edgevla_ddim_step(&args, nullptr), x);
}

void inverse_dct() {
    Sizes sizes;
    sizes.width = sizes.dims;
    std::vector<int32_t> coefficients(sizes.places());
    for (int32_t &one : coefficients) one = between(0, 99) == 0 ? static_cast<int32_t>(source()) : between(-30, 30);
    std::vector<double> basis(static_cast<size_t>(sizes.horizon) * sizes.horizon);
    for (double &one : basis) one = uniform(-0.2F, 0.2F);
    const Space space(sizes.dims);
    std::vector<float> actions(sizes.places());
    std::vector<int32_t> verdicts(sizes.samples * 4);
    const edgevla_dct_args args = {sizes.samples, sizes.horizon, sizes.dims, 10.0, coefficients.data(), basis.data(),
                                   space.view(), actions.data(), reinterpret_cast<edgevla_verdict *>(verdicts.data())};
    report("inverse_dct", sizes, edgevla_inverse_dct(&args, nullptr), actions, verdicts);
}

void ensemble() {
    const Sizes sizes;
    const Space space(sizes.dims);
    const int history = between(1, 8);
    std::vector<float> weights, totals;
    for (int i = 0; i < history; ++i) {
        weights.push_back(std::exp(-0.1F * static_cast<float>(i)));
        totals.push_back(weights.back() + (i == 0 ? 0.0F : totals.back()));
    }
    const std::vector<float> origin = floats(sizes.samples * sizes.dims);
    std::vector<float> before(sizes.places()), actions(sizes.places());
    std::vector<int32_t> before_count(sizes.samples * sizes.horizon), counts(before_count.size()), shift(sizes.samples);
    std::vector<int32_t> verdicts(sizes.samples * 4);
    Hash hash;
    int status = 0;
    for (int chunk = 0; chunk < 4; ++chunk) {
        const Numbers normalised(sizes.padded(), sometimes());
        for (int32_t &one : shift) one = sometimes() ? between(-1, sizes.horizon + 1) : 1;
        edgevla_ensemble_args args = {};
        args.samples = sizes.samples, args.horizon = sizes.horizon, args.width = sizes.width, args.dims = sizes.dims;
        args.type = normalised.type, args.history = history, args.normalised = normalised.data();
        args.origin = sometimes() ? origin.data() : nullptr, args.weights = weights.data(), args.totals = totals.data();
        args.shift = shift.data(), args.before = before.data(), args.before_count = before_count.data();
        args.space = space.view(), args.actions = actions.data(), args.counts = counts.data();
        args.verdicts = reinterpret_cast<edgevla_verdict *>(verdicts.data());
        status += edgevla_ensemble(&args, nullptr);
        hash.add(actions), hash.add(counts), hash.add(verdicts);
        before.swap(actions), before_count.swap(counts);
    }
    report("ensemble", sizes, status, std::vector<uint64_t>{hash.value});
}

}  // namespace

int main(int count, char **words) {
    if (count != 3) return 2;
    source.seed(static_cast<unsigned>(std::atoi(words[1])));
    for (int call = 0; call < std::atoi(words[2]); ++call) {
        switch (call % 10) {
            case 0: tokens(false); break;
            case 1: tokens(true); break;
            case 2: flow_step(); break;
            case 3: finish(true); break;
            case 4: finish(false); break;
            case 5: noise(); break;
            case 6: ddpm(); break;
            case 7: ddim(); break;
            case 8: inverse_dct(); break;
            default: ensemble();
        }
    }
    return 0;
}
