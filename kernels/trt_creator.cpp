// What TensorRT finds in this library: getCreators and setLoggerFinder.
#include <string>

#include "trt_plugin.h"

namespace edgevla {
namespace {

nvinfer1::ILoggerFinder *finder = nullptr;

class DecodeActionCreator final : public nvinfer1::IPluginCreatorV3One {
public:
    nvinfer1::IPluginV3 *createPlugin(const char *name, const nvinfer1::PluginFieldCollection *given,
                                      nvinfer1::TensorRTPhase) noexcept override try {
        Fields fields;
        std::string fault;
        for (int32_t index = 0; fault.empty() && index < given->nbFields; ++index)
            fault = fields.read(given->fields[index]);
        if (fault.empty()) fault = fields.fault();
        if (fault.empty()) return new DecodeAction(fields);
        report(std::string(name) + ": " + fault);
        return nullptr;
    } catch (...) {
        report("no memory for the plugin");
        return nullptr;
    }

    const nvinfer1::PluginFieldCollection *getFieldNames() noexcept override { return &names_; }
    const char *getPluginName() const noexcept override { return kPluginName; }
    const char *getPluginVersion() const noexcept override { return kPluginVersion; }
    const char *getPluginNamespace() const noexcept override { return kPluginNamespace; }

private:
    const nvinfer1::PluginFieldCollection names_{static_cast<int32_t>(field_names().size()), field_names().data()};
};

}  // namespace

void report(const std::string &fault) noexcept {
    nvinfer1::ILogger *logger = finder == nullptr ? nullptr : finder->findLogger();
    if (logger == nullptr) return;
    try {
        logger->log(nvinfer1::ILogger::Severity::kERROR, (std::string(kPluginName) + ": " + fault).c_str());
    } catch (...) {  // without memory for the sentence, the return code has to do
    }
}

}  // namespace edgevla

extern "C" EDGEVLA_API void setLoggerFinder(nvinfer1::ILoggerFinder *given) { edgevla::finder = given; }

extern "C" EDGEVLA_API nvinfer1::IPluginCreatorInterface *const *getCreators(int32_t &count) {
    static edgevla::DecodeActionCreator creator;
    static nvinfer1::IPluginCreatorInterface *const creators[] = {&creator};
    count = 1;
    return creators;
}
