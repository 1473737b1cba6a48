// As much of TensorRT's plugin interface as the plugin and its driver name, for machines without NVIDIA's headers.
//
// Names and meanings are TensorRT 10's, the layout in memory is not: what is compiled with this file can be driven by
// plugin_driver.cpp and by nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;
using cudaStream_t = CUstream_st *;

namespace nvinfer1 {

enum class DataType : int32_t { kFLOAT, kHALF, kINT8, kINT32 };
enum class TensorFormat : int32_t { kLINEAR, kCHW4 };
enum class TensorRTPhase : int32_t { kBUILD, kRUNTIME };
enum class PluginCapabilityType : int32_t { kCORE, kBUILD, kRUNTIME };
enum class PluginFieldType : int32_t { kFLOAT32, kINT32, kCHAR };
enum class DimensionOperation : int32_t { kSUM };

struct Dims {
    int32_t nbDims;
    int64_t d[8];
};

struct PluginTensorDesc {
    Dims dims;
    DataType type;
    TensorFormat format;
    float scale;
};

struct DynamicPluginTensorDesc {
    PluginTensorDesc desc;
    Dims min, max, opt;
};

struct PluginField {
    const char *name;
    const void *data;
    PluginFieldType type;
    int32_t length;
    PluginField(const char *name, const void *data, PluginFieldType type, int32_t length)
        : name(name), data(data), type(type), length(length) {}
};

struct PluginFieldCollection {
    int32_t nbFields;
    const PluginField *fields;
};

namespace apiv {

struct VDimensionExpr {
    virtual ~VDimensionExpr() = default;
    virtual bool isConstant() const = 0;
    virtual int64_t getConstantValue() const = 0;
    virtual bool isSizeTensor() const = 0;
};

}  // namespace apiv

struct IDimensionExpr {
    int64_t getConstantValue() const { return mImpl->getConstantValue(); }

protected:
    apiv::VDimensionExpr *mImpl = nullptr;
    virtual ~IDimensionExpr() = default;
};

namespace apiv {

struct VExprBuilder {
    virtual ~VExprBuilder() = default;
    virtual const IDimensionExpr *constant(int64_t) = 0;
    virtual const IDimensionExpr *operation(DimensionOperation, const IDimensionExpr &, const IDimensionExpr &) = 0;
    virtual const IDimensionExpr *declareSizeTensor(int32_t, const IDimensionExpr &, const IDimensionExpr &) = 0;
};

}  // namespace apiv

struct IExprBuilder {
    const IDimensionExpr *constant(int64_t value) { return mImpl->constant(value); }

protected:
    apiv::VExprBuilder *mImpl = nullptr;
    virtual ~IExprBuilder() = default;
};

struct DimsExprs {
    int32_t nbDims;
    const IDimensionExpr *d[8];
};

struct IPluginResourceContext;

struct IPluginCapability {
    virtual ~IPluginCapability() = default;
};

struct IPluginV3 {
    virtual ~IPluginV3() = default;
    virtual IPluginCapability *getCapabilityInterface(PluginCapabilityType type) noexcept = 0;
    virtual IPluginV3 *clone() noexcept = 0;
};

struct IPluginV3OneCore : IPluginCapability {
    virtual const char *getPluginName() const noexcept = 0;
    virtual const char *getPluginVersion() const noexcept = 0;
    virtual const char *getPluginNamespace() const noexcept = 0;
};

struct IPluginV3OneBuild : IPluginCapability {
    virtual int32_t configurePlugin(const DynamicPluginTensorDesc *, int32_t, const DynamicPluginTensorDesc *,
                                    int32_t) noexcept = 0;
    virtual int32_t getOutputDataTypes(DataType *, int32_t, const DataType *, int32_t) const noexcept = 0;
    virtual int32_t getOutputShapes(const DimsExprs *, int32_t, const DimsExprs *, int32_t, DimsExprs *, int32_t,
                                    IExprBuilder &) noexcept = 0;
    virtual bool supportsFormatCombination(int32_t, const DynamicPluginTensorDesc *, int32_t, int32_t) noexcept = 0;
    virtual int32_t getNbOutputs() const noexcept = 0;
};

struct IPluginV3OneRuntime : IPluginCapability {
    virtual int32_t onShapeChange(const PluginTensorDesc *, int32_t, const PluginTensorDesc *, int32_t) noexcept = 0;
    virtual int32_t enqueue(const PluginTensorDesc *, const PluginTensorDesc *, const void *const *, void *const *,
                            void *, cudaStream_t) noexcept = 0;
    virtual IPluginV3 *attachToContext(IPluginResourceContext *) noexcept = 0;
    virtual const PluginFieldCollection *getFieldsToSerialize() noexcept = 0;
};

struct IPluginCreatorInterface {
    virtual ~IPluginCreatorInterface() = default;
};

struct IPluginCreatorV3One : IPluginCreatorInterface {
    virtual IPluginV3 *createPlugin(const char *, const PluginFieldCollection *, TensorRTPhase) noexcept = 0;
    virtual const PluginFieldCollection *getFieldNames() noexcept = 0;
    virtual const char *getPluginName() const noexcept = 0;
    virtual const char *getPluginVersion() const noexcept = 0;
    virtual const char *getPluginNamespace() const noexcept = 0;
};

struct ILogger {
    enum class Severity : int32_t { kINTERNAL_ERROR, kERROR };
    virtual ~ILogger() = default;
    virtual void log(Severity, const char *) noexcept = 0;
};

struct ILoggerFinder {
    virtual ~ILoggerFinder() = default;
    virtual ILogger *findLogger() = 0;
};

}  // namespace nvinfer1
