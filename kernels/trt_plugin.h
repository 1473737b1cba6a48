// DecodeAction, a TensorRT plugin: the network's last tensor becomes actions and verdicts inside the engine.
//
// Inputs, linear, float32 or float16: unnormalise takes normalised numbers (samples, horizon, width); flow_finish the
// sample, float32, and its velocity, of that shape; token_logits takes (samples, horizon * dims, vocabulary).
// Outputs: actions, float32 (samples, horizon, dims), and verdicts, int32 (samples, 4): edgevla_verdict.
//
// One source for TensorRT 10.3 and later; it links no TensorRT library.
#pragma once

#include <NvInferRuntime.h>

#include <memory>

#include "edgevla_decode.h"
#include "trt_fields.h"

namespace edgevla {

constexpr const char *kPluginName = "DecodeAction";
constexpr const char *kPluginVersion = "1";
constexpr const char *kPluginNamespace = "edgevla";

struct Tables;

class DecodeAction final : public nvinfer1::IPluginV3,
                           public nvinfer1::IPluginV3OneCore,
                           public nvinfer1::IPluginV3OneBuild,
                           public nvinfer1::IPluginV3OneRuntime {
public:
    explicit DecodeAction(Fields fields);
    ~DecodeAction() override;

    nvinfer1::IPluginCapability *getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override;
    nvinfer1::IPluginV3 *clone() noexcept override;

    const char *getPluginName() const noexcept override { return kPluginName; }
    const char *getPluginVersion() const noexcept override { return kPluginVersion; }
    const char *getPluginNamespace() const noexcept override { return kPluginNamespace; }

    int32_t getNbOutputs() const noexcept override { return 2; }
    int32_t getOutputDataTypes(nvinfer1::DataType *types, int32_t outputs, const nvinfer1::DataType *input_types,
                               int32_t inputs) const noexcept override;
    int32_t getOutputShapes(const nvinfer1::DimsExprs *shapes, int32_t inputs, const nvinfer1::DimsExprs *,
                            int32_t, nvinfer1::DimsExprs *output_shapes, int32_t outputs,
                            nvinfer1::IExprBuilder &builder) noexcept override;
    bool supportsFormatCombination(int32_t position, const nvinfer1::DynamicPluginTensorDesc *tensors, int32_t inputs,
                                   int32_t outputs) noexcept override;
    int32_t configurePlugin(const nvinfer1::DynamicPluginTensorDesc *in, int32_t inputs,
                            const nvinfer1::DynamicPluginTensorDesc *out, int32_t outputs) noexcept override;

    int32_t onShapeChange(const nvinfer1::PluginTensorDesc *in, int32_t inputs, const nvinfer1::PluginTensorDesc *out,
                          int32_t outputs) noexcept override;
    int32_t enqueue(const nvinfer1::PluginTensorDesc *in, const nvinfer1::PluginTensorDesc *out,
                    const void *const *inputs, void *const *outputs, void *workspace,
                    cudaStream_t stream) noexcept override;
    nvinfer1::IPluginV3 *attachToContext(nvinfer1::IPluginResourceContext *) noexcept override { return clone(); }
    const nvinfer1::PluginFieldCollection *getFieldsToSerialize() noexcept override;

private:
    int32_t inputs_taken() const;

    const Fields fields_;
    const std::vector<nvinfer1::PluginField> written_;
    const nvinfer1::PluginFieldCollection collection_;
    std::unique_ptr<Tables> tables_; // of the samples last announced; this object's alone
};

// Say what is wrong through TensorRT's logger, when it gave one.
void report(const std::string &fault) noexcept;

}  // namespace edgevla
