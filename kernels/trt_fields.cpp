#include "trt_fields.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "edgevla_decode.h"

namespace edgevla {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

constexpr const char *kDecodes[] = {"unnormalise", "flow_finish", "token_logits"};

PluginFieldType type_of(const std::string &) { return PluginFieldType::kCHAR; }
PluginFieldType type_of(int32_t) { return PluginFieldType::kINT32; }
PluginFieldType type_of(float) { return PluginFieldType::kFLOAT32; }
template <typename T>
PluginFieldType type_of(const std::vector<T> &) {
    return type_of(T{});
}

void assign(std::string &member, const PluginField &field) {
    const char *text = static_cast<const char *>(field.data);
    member.assign(text, strnlen(text, static_cast<size_t>(field.length)));
}
template <typename T>
void assign(std::vector<T> &member, const PluginField &field) {
    const T *numbers = static_cast<const T *>(field.data);
    member.assign(numbers, numbers + field.length);
}
template <typename T>
void assign(T &member, const PluginField &field) {
    member = *static_cast<const T *>(field.data);
}

PluginField pointing_to(const char *name, const std::string &member) {
    return {name, member.data(), type_of(member), static_cast<int32_t>(member.size())};
}
template <typename T>
PluginField pointing_to(const char *name, const std::vector<T> &member) {
    return {name, member.data(), type_of(member), static_cast<int32_t>(member.size())};
}
template <typename T>
PluginField pointing_to(const char *name, const T &member) {
    return {name, &member, type_of(member), 1};
}

// The one list of fields: `visit(name, member)` for each.
template <typename Self, typename Visit>
void each(Self &fields, Visit visit) {
    visit("decode", fields.decode);
    visit("horizon", fields.horizon);
    visit("dims", fields.dims);
    visit("rule", fields.rule);
    visit("believed", fields.believed);
    visit("scale", fields.scale);
    visit("offset", fields.offset);
    visit("mask", fields.mask);
    visit("low", fields.low);
    visit("high", fields.high);
    visit("dt", fields.dt);
    visit("first", fields.first);
    visit("values", fields.values);
    visit("allowed", fields.allowed);
}

std::string of_length(const char *name, size_t length, size_t wanted) {
    return std::string(name) + " has " + std::to_string(length) + " numbers, not " + std::to_string(wanted);
}

bool finite(const std::vector<float> &numbers) {
    for (const float number : numbers)
        if (!std::isfinite(number)) return false;
    return true;
}

}  // namespace

Decode Fields::kind() const {
    if (decode == kDecodes[1]) return Decode::kFlowFinish;
    return decode == kDecodes[2] ? Decode::kTokenLogits : Decode::kUnnormalise;
}

std::string Fields::read(const PluginField &field) {
    // TensorRT 10.10 and later hand the attributes that name the plugin on to it, too.
    if (std::strncmp(field.name, "plugin_", 7) == 0) return "";
    bool known = false, typed = false;
    each(*this, [&](const char *name, auto &member) {
        if (std::strcmp(name, field.name) != 0) return;
        known = true;
        const bool one = std::is_arithmetic<std::remove_reference_t<decltype(member)>>::value;
        typed = field.type == type_of(member) && (one ? field.length == 1 : field.length >= 0);
        if (typed && field.length > 0) assign(member, field);
    });
    if (!known) return std::string("there is no field ") + field.name;
    return typed ? "" : std::string(field.name) + " has another type or length";
}

std::string Fields::fault() const {
    bool known = false;
    for (const char *name : kDecodes) known = known || decode == name;
    if (!known) return "decode is \"" + decode + "\", not unnormalise, flow_finish or token_logits";
    if (horizon < 1 || dims < 1) return "horizon and dims must be at least 1";
    if (rule != EDGEVLA_SCALE && rule != EDGEVLA_HALF) return "rule is " + std::to_string(rule) + ", not 0 or 1";
    if (!(believed > 0.0F)) return "believed must be above 0";
    const size_t wanted = static_cast<size_t>(dims);
    if (scale.size() != wanted) return of_length("scale", scale.size(), wanted);
    if (offset.size() != wanted) return of_length("offset", offset.size(), wanted);
    if (!mask.empty() && mask.size() != wanted) return of_length("mask", mask.size(), wanted);
    if (!low.empty() && low.size() != wanted) return of_length("low", low.size(), wanted);
    if (!high.empty() && high.size() != wanted) return of_length("high", high.size(), wanted);
    if (!finite(scale) || !finite(offset) || !finite(values)) return "scale, offset and values must be finite";
    if (kind() == Decode::kFlowFinish && !(std::isfinite(dt) && dt != 0.0F)) return "dt must be finite and not 0";
    if (kind() == Decode::kTokenLogits && (values.empty() || first < 0)) return "values or first is missing";
    if (!allowed.empty() && allowed.size() != values.size())
        return of_length("allowed", allowed.size(), values.size());
    return "";
}

std::vector<PluginField> Fields::written() const {
    std::vector<PluginField> fields;
    each(*this, [&](const char *name, const auto &member) {
        const PluginField field = pointing_to(name, member);
        if (field.length > 0) fields.push_back(field);
    });
    return fields;
}

const std::vector<PluginField> &field_names() {
    static const std::vector<PluginField> names = [] {
        std::vector<PluginField> found;
        Fields none;
        each(none, [&](const char *name, auto &member) { found.emplace_back(name, nullptr, type_of(member), 1); });
        return found;
    }();
    return names;
}

}  // namespace edgevla
