// Memory that a plugin's kernels read: device memory in an engine, the processor's own in a test.
#pragma once

#include <cstddef>

namespace edgevla {

// A copy of `size` bytes there, or null. May wait; never called from enqueue.
void *place(const void *bytes, size_t size) noexcept;

void release(void *placed) noexcept;

}  // namespace edgevla
