#include "trt_plugin.h"

#include <utility>

#include "trt_tables.h"

namespace edgevla {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::PluginTensorDesc;

int32_t type_code(DataType type) { return type == DataType::kHALF ? EDGEVLA_F16 : EDGEVLA_F32; }

bool is_float(DataType type) { return type == DataType::kFLOAT || type == DataType::kHALF; }

// Whether a tensor has a shape that this node can read; -1 stands for a size that is not known yet.
bool fits(const Fields &fields, const Dims &shape) {
    if (shape.nbDims != 3) return false;
    const bool tokens = fields.kind() == Decode::kTokenLogits;
    const int64_t rows = tokens ? int64_t{fields.horizon} * fields.dims : fields.horizon;
    const int64_t columns = tokens ? fields.first + static_cast<int64_t>(fields.values.size()) : fields.dims;
    return (shape.d[1] == -1 || shape.d[1] == rows) && (shape.d[2] == -1 || shape.d[2] >= columns);
}

edgevla_token_args token_args(const Fields &fields, const Tables &tables, const PluginTensorDesc &in,
                              const void *const *inputs, void *const *outputs) {
    edgevla_token_args args{};
    args.samples = static_cast<int32_t>(in.dims.d[0]);
    args.horizon = fields.horizon;
    args.dims = fields.dims;
    args.vocabulary = static_cast<int32_t>(in.dims.d[2]);
    args.type = type_code(in.type);
    args.first = fields.first;
    args.count = static_cast<int32_t>(fields.values.size());
    args.input = inputs[0];
    args.allowed = tables.allowed;
    args.values = tables.values;
    args.space = tables.space;
    args.actions = static_cast<float *>(outputs[0]);
    args.ids = tables.ids;
    args.verdicts = static_cast<edgevla_verdict *>(outputs[1]);
    args.scratch = tables.scratch;
    return args;
}

edgevla_finish_args finish_args(const Fields &fields, const Tables &tables, const PluginTensorDesc *in,
                                const void *const *inputs, void *const *outputs) {
    const bool flow = fields.kind() == Decode::kFlowFinish;
    edgevla_finish_args args{};
    args.samples = static_cast<int32_t>(in[0].dims.d[0]);
    args.horizon = fields.horizon;
    args.width = static_cast<int32_t>(in[0].dims.d[2]);
    args.dims = fields.dims;
    args.type = type_code(in[flow ? 1 : 0].type);
    args.dt = fields.dt;
    args.x = inputs[0];
    args.velocity = flow ? inputs[1] : nullptr;
    args.space = tables.space;
    args.actions = static_cast<float *>(outputs[0]);
    args.verdicts = static_cast<edgevla_verdict *>(outputs[1]);
    return args;
}

}  // namespace

DecodeAction::DecodeAction(Fields fields)
    : fields_(std::move(fields)),
      written_(fields_.written()),
      collection_{static_cast<int32_t>(written_.size()), written_.data()} {}

DecodeAction::~DecodeAction() = default;

int32_t DecodeAction::inputs_taken() const { return fields_.kind() == Decode::kFlowFinish ? 2 : 1; }

nvinfer1::IPluginCapability *DecodeAction::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept {
    switch (type) {
        case nvinfer1::PluginCapabilityType::kCORE: return static_cast<nvinfer1::IPluginV3OneCore *>(this);
        case nvinfer1::PluginCapabilityType::kBUILD: return static_cast<nvinfer1::IPluginV3OneBuild *>(this);
        case nvinfer1::PluginCapabilityType::kRUNTIME: return static_cast<nvinfer1::IPluginV3OneRuntime *>(this);
    }
    return nullptr;
}

nvinfer1::IPluginV3 *DecodeAction::clone() noexcept try { return new DecodeAction(fields_); } catch (...) {
    report("no memory for a copy of the plugin");
    return nullptr;
}

int32_t DecodeAction::getOutputDataTypes(DataType *types, int32_t outputs, const DataType *, int32_t) const noexcept {
    if (outputs != 2) return -1;
    types[0] = DataType::kFLOAT;
    types[1] = DataType::kINT32;
    return 0;
}

int32_t DecodeAction::getOutputShapes(const nvinfer1::DimsExprs *shapes, int32_t inputs, const nvinfer1::DimsExprs *,
                                      int32_t, nvinfer1::DimsExprs *output_shapes, int32_t outputs,
                                      nvinfer1::IExprBuilder &builder) noexcept {
    if (inputs != inputs_taken() || outputs != 2 || shapes[0].nbDims != 3) {
        report("a tensor has not three axes, or there are too few or too many");
        return -1;
    }
    output_shapes[0].nbDims = 3;
    output_shapes[0].d[0] = shapes[0].d[0];
    output_shapes[0].d[1] = builder.constant(fields_.horizon);
    output_shapes[0].d[2] = builder.constant(fields_.dims);
    output_shapes[1].nbDims = 2;
    output_shapes[1].d[0] = shapes[0].d[0];
    output_shapes[1].d[1] = builder.constant(sizeof(edgevla_verdict) / sizeof(int32_t));
    return 0;
}

bool DecodeAction::supportsFormatCombination(int32_t position, const nvinfer1::DynamicPluginTensorDesc *tensors,
                                             int32_t inputs, int32_t) noexcept {
    const PluginTensorDesc &tensor = tensors[position].desc;
    if (tensor.format != nvinfer1::TensorFormat::kLINEAR) return false;
    if (position == inputs) return tensor.type == DataType::kFLOAT;
    if (position > inputs) return tensor.type == DataType::kINT32;
    const bool sample = fields_.kind() == Decode::kFlowFinish && position == 0;
    return sample ? tensor.type == DataType::kFLOAT : is_float(tensor.type);
}

int32_t DecodeAction::configurePlugin(const nvinfer1::DynamicPluginTensorDesc *in, int32_t inputs,
                                      const nvinfer1::DynamicPluginTensorDesc *, int32_t outputs) noexcept {
    bool good = inputs == inputs_taken() && outputs == 2;
    for (int32_t index = 0; good && index < inputs; ++index) good = fits(fields_, in[index].desc.dims);
    if (!good) report("the shape of a tensor does not fit horizon, dims and the action ids");
    return good ? 0 : -1;
}

int32_t DecodeAction::onShapeChange(const PluginTensorDesc *in, int32_t inputs, const PluginTensorDesc *,
                                    int32_t) noexcept try {
    for (int32_t index = 0; index < inputs; ++index)
        if (!fits(fields_, in[index].dims) || in[index].dims.d[0] != in[0].dims.d[0] ||
            (index > 0 && in[index].dims.d[2] != in[0].dims.d[2]))
            return -1;
    const int32_t samples = static_cast<int32_t>(in[0].dims.d[0]);
    if (!tables_ || tables_->samples != samples) tables_ = Tables::of(fields_, samples);
    if (!tables_) report("no memory for the statistics");
    return tables_ ? 0 : -1;
} catch (...) {
    report("no memory for the statistics");
    return -1;
}

int32_t DecodeAction::enqueue(const PluginTensorDesc *in, const PluginTensorDesc *, const void *const *inputs,
                              void *const *outputs, void *, cudaStream_t stream) noexcept {
    if (!tables_) return -1;
    if (fields_.kind() == Decode::kTokenLogits) {
        const edgevla_token_args args = token_args(fields_, *tables_, in[0], inputs, outputs);
        return edgevla_token_logits(&args, stream);
    }
    const edgevla_finish_args args = finish_args(fields_, *tables_, in, inputs, outputs);
    return fields_.kind() == Decode::kFlowFinish ? edgevla_flow_finish(&args, stream)
                                                 : edgevla_unnormalise(&args, stream);
}

const nvinfer1::PluginFieldCollection *DecodeAction::getFieldsToSerialize() noexcept { return &collection_; }

}  // namespace edgevla
