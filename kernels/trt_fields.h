// What a DecodeAction node says: its attributes in the ONNX graph, and its fields inside a built engine.
#pragma once

#include <NvInferRuntime.h>

#include <cstdint>
#include <string>
#include <vector>

namespace edgevla {

// Which call of edgevla_decode.h a node makes.
enum class Decode { kUnnormalise, kFlowFinish, kTokenLogits };

// Numbers as in edgevla_space and edgevla_tokens; an empty array is one that the node leaves out.
struct Fields {
    std::string decode; // "unnormalise", "flow_finish" or "token_logits"
    int32_t horizon = 0;
    int32_t dims = 0;
    int32_t rule = 0;
    float believed = 0.0F;
    std::vector<float> scale, offset, low, high;
    std::vector<int32_t> mask;
    float dt = 0.0F;
    int32_t first = 0;
    std::vector<float> values;
    std::vector<int32_t> allowed;

    // Which call it is; only once fault() is empty.
    Decode kind() const;

    // Take a field over. Returns what is wrong with it, or nothing.
    std::string read(const nvinfer1::PluginField &field);

    // What is wrong with all of them together, or nothing.
    std::string fault() const;

    // Fields that point into this object, for a built engine.
    std::vector<nvinfer1::PluginField> written() const;
};

// The names and types of all fields, for the parser.
const std::vector<nvinfer1::PluginField> &field_names();

}  // namespace edgevla
