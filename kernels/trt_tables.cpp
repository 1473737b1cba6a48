#include "trt_tables.h"

#include <cstring>
#include <vector>

#include "trt_memory.h"

namespace edgevla {
namespace {

// Arrays one behind the other; each begins at a multiple of 16 bytes, the first not at 0, which means "left out".
class Layout {
public:
    template <typename T>
    size_t add(const std::vector<T> &numbers) {
        return numbers.empty() ? 0 : put(numbers.data(), numbers.size() * sizeof(T));
    }
    size_t add_flags(const std::vector<int32_t> &flags) {
        std::vector<uint8_t> bytes;
        for (const int32_t flag : flags) bytes.push_back(flag != 0);
        return add(bytes);
    }
    size_t add_zeros(size_t count) { return add(std::vector<int32_t>(count)); }
    const std::vector<unsigned char> &bytes() const { return bytes_; }

private:
    size_t put(const void *data, size_t size) {
        const size_t at = bytes_.size();
        bytes_.resize((at + size + 15) / 16 * 16);
        std::memcpy(bytes_.data() + at, data, size);
        return at;
    }
    std::vector<unsigned char> bytes_ = std::vector<unsigned char>(16);
};

}  // namespace

std::unique_ptr<Tables> Tables::of(const Fields &fields, int32_t samples) {
    Layout layout;
    const size_t scale = layout.add(fields.scale), offset = layout.add(fields.offset);
    const size_t mask = layout.add_flags(fields.mask), low = layout.add(fields.low), high = layout.add(fields.high);
    const size_t values = layout.add(fields.values), allowed = layout.add_flags(fields.allowed);
    const size_t tokens = fields.values.empty() ? 0 : static_cast<size_t>(fields.horizon) * fields.dims;
    const size_t ids = layout.add_zeros(samples * tokens);
    const size_t scratch = tokens == 0 ? 0 : layout.add_zeros(samples * (tokens + 1));

    std::unique_ptr<Tables> tables(new Tables);
    tables->memory_ = place(layout.bytes().data(), layout.bytes().size());
    if (tables->memory_ == nullptr) return nullptr;
    const auto at = [&](size_t offset_in) {
        return offset_in == 0 ? nullptr : static_cast<unsigned char *>(tables->memory_) + offset_in;
    };
    tables->samples = samples;
    tables->space.rule = fields.rule;
    tables->space.believed = fields.believed;
    tables->space.scale = reinterpret_cast<const float *>(at(scale));
    tables->space.offset = reinterpret_cast<const float *>(at(offset));
    tables->space.mask = at(mask);
    tables->space.low = reinterpret_cast<const float *>(at(low));
    tables->space.high = reinterpret_cast<const float *>(at(high));
    tables->values = reinterpret_cast<const float *>(at(values));
    tables->allowed = at(allowed);
    tables->ids = reinterpret_cast<int32_t *>(at(ids));
    tables->scratch = reinterpret_cast<int32_t *>(at(scratch));
    return tables;
}

Tables::~Tables() {
    if (memory_ != nullptr) release(memory_);
}

}  // namespace edgevla
