// What the kernels of one plugin read besides tensors, in one piece of memory: statistics, ids, scratch.
#pragma once

#include <cstdint>
#include <memory>

#include "edgevla_decode.h"
#include "trt_fields.h"

namespace edgevla {

struct Tables {
    int32_t samples = 0;
    edgevla_space space{};
    const float *values = nullptr;
    const uint8_t *allowed = nullptr;
    int32_t *ids = nullptr;
    int32_t *scratch = nullptr;

    // Null when there is no memory. Allocates and copies: not from enqueue.
    static std::unique_ptr<Tables> of(const Fields &fields, int32_t samples);

    ~Tables();
    Tables(const Tables &) = delete;
    Tables &operator=(const Tables &) = delete;

private:
    Tables() = default;
    void *memory_ = nullptr;
};

}  // namespace edgevla
