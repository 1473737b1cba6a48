#include <cstdlib>
#include <cstring>

#include "trt_memory.h"

namespace edgevla {

void *place(const void *bytes, size_t size) noexcept {
    void *placed = std::malloc(size);
    return placed == nullptr ? nullptr : std::memcpy(placed, bytes, size);
}

void release(void *placed) noexcept { std::free(placed); }

}  // namespace edgevla
