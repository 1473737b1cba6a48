// Leads a DecodeAction through its life as TensorRT does, with the processor's memory in place of a device's.
//
// `plugin_driver FOLDER` reads FOLDER/node.txt: a line a field, `c name text`, `i name numbers …` or `f name numbers …`,
// and a line an input, `input f32|f16 sizes …`, whose numbers are in FOLDER/input0 and so on. Creates the plugin, asks it
// what a builder asks, makes it again from its own fields, runs it twice and writes FOLDER/actions and FOLDER/verdicts.
// Prints what the plugin answers, a line each; ends with 1 and the plugin's own words when it refuses.
#include <NvInferRuntime.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace nvinfer1;

extern "C" void setLoggerFinder(ILoggerFinder *finder);
extern "C" IPluginCreatorInterface *const *getCreators(int32_t &count);

namespace {

struct Logger final : ILogger {
    void log(Severity, const char *message) noexcept override { std::printf("log %s\n", message); }
};

struct Finder final : ILoggerFinder {
    Logger logger;
    ILogger *findLogger() override { return &logger; }
};

// Sizes that are known while building.
struct Size final : IDimensionExpr, apiv::VDimensionExpr {
    explicit Size(int64_t value) : value(value) { mImpl = this; }
    bool isConstant() const override { return true; }
    int64_t getConstantValue() const override { return value; }
    bool isSizeTensor() const override { return false; }
    int64_t value;
};

struct Sizes final : IExprBuilder, apiv::VExprBuilder {
    Sizes() { mImpl = this; }
    const IDimensionExpr *constant(int64_t value) override {
        kept.push_back(std::make_unique<Size>(value));
        return kept.back().get();
    }
    const IDimensionExpr *operation(DimensionOperation, const IDimensionExpr &, const IDimensionExpr &) override {
        return nullptr;
    }
    const IDimensionExpr *declareSizeTensor(int32_t, const IDimensionExpr &, const IDimensionExpr &) override {
        return nullptr;
    }
    std::vector<std::unique_ptr<Size>> kept;
};

struct Field {
    std::string name, text;
    std::vector<int32_t> whole;
    std::vector<float> real;
    PluginField as_given() const {
        if (!text.empty()) return {name.c_str(), text.data(), PluginFieldType::kCHAR, static_cast<int32_t>(text.size())};
        if (!whole.empty())
            return {name.c_str(), whole.data(), PluginFieldType::kINT32, static_cast<int32_t>(whole.size())};
        return {name.c_str(), real.data(), PluginFieldType::kFLOAT32, static_cast<int32_t>(real.size())};
    }
};

struct Input {
    PluginTensorDesc description{};
    std::vector<char> bytes;
};

std::vector<char> read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string &path, const void *bytes, size_t size) {
    std::ofstream(path, std::ios::binary).write(static_cast<const char *>(bytes), static_cast<std::streamsize>(size));
}

int fail(const char *where) {
    std::printf("refused %s\n", where);
    return 1;
}

PluginTensorDesc described(DataType type, std::vector<int64_t> sizes) {
    PluginTensorDesc description{};
    description.type = type;
    description.format = TensorFormat::kLINEAR;
    description.dims.nbDims = static_cast<int32_t>(sizes.size());
    for (size_t axis = 0; axis < sizes.size(); ++axis) description.dims.d[axis] = sizes[axis];
    return description;
}

template <typename T>
std::vector<T> rest_of(std::istringstream &line) {
    return {std::istream_iterator<T>(line), {}};
}

std::unique_ptr<IPluginV3> created(IPluginCreatorV3One &creator, const PluginFieldCollection &fields, TensorRTPhase phase) {
    return std::unique_ptr<IPluginV3>(creator.createPlugin("node", &fields, phase));
}

template <typename Capability>
Capability &as(IPluginV3 &plugin, PluginCapabilityType type) {
    return *static_cast<Capability *>(plugin.getCapabilityInterface(type));
}

}  // namespace

int main(int, char **argv) {
    const std::string folder = argv[1];
    std::vector<Field> given;
    std::vector<Input> inputs;
    std::ifstream node(folder + "/node.txt");
    for (std::string text; std::getline(node, text);) {
        std::istringstream line(text);
        std::string kind, name;
        line >> kind >> name;
        if (kind == "input") {
            const DataType type = name == "f16" ? DataType::kHALF : DataType::kFLOAT;
            inputs.push_back({described(type, rest_of<int64_t>(line)),
                              read_file(folder + "/input" + std::to_string(inputs.size()))});
            continue;
        }
        Field &field = given.emplace_back();
        field.name = name;
        if (kind == "c") line >> field.text;
        if (kind == "i") field.whole = rest_of<int32_t>(line);
        if (kind != "f") continue;
        for (const std::string &number : rest_of<std::string>(line))  // a stream reads no "nan"
            field.real.push_back(std::strtof(number.c_str(), nullptr));
    }

    Finder finder;
    setLoggerFinder(&finder);
    int32_t count = 0;
    auto &creator = *static_cast<IPluginCreatorV3One *>(getCreators(count)[0]);
    std::printf("creators %d %s %s %s\n", count, creator.getPluginName(), creator.getPluginVersion(),
                creator.getPluginNamespace());
    std::vector<PluginField> fields;
    for (const Field &field : given) fields.push_back(field.as_given());
    const PluginFieldCollection collection{static_cast<int32_t>(fields.size()), fields.data()};
    const std::unique_ptr<IPluginV3> first = created(creator, collection, TensorRTPhase::kBUILD);
    if (!first) return fail("the fields");

    auto &build = as<IPluginV3OneBuild>(*first, PluginCapabilityType::kBUILD);
    Sizes sizes;
    std::vector<DimsExprs> shapes;
    std::vector<DynamicPluginTensorDesc> tensors;
    std::vector<const void *> addresses;
    for (const Input &input : inputs) {
        DimsExprs &shape = shapes.emplace_back();
        shape.nbDims = input.description.dims.nbDims;
        for (int32_t axis = 0; axis < shape.nbDims; ++axis) shape.d[axis] = sizes.constant(input.description.dims.d[axis]);
        tensors.push_back({input.description, input.description.dims, input.description.dims, input.description.dims});
        addresses.push_back(input.bytes.data());
    }
    const int32_t taken = static_cast<int32_t>(inputs.size()), gives = build.getNbOutputs();
    std::vector<DimsExprs> output_shapes(gives);
    std::vector<DataType> types(gives), input_types(taken);
    if (build.getOutputDataTypes(types.data(), gives, input_types.data(), taken)) return fail("the types");
    if (build.getOutputShapes(shapes.data(), taken, nullptr, 0, output_shapes.data(), gives, sizes)) return fail("the inputs");
    std::vector<PluginTensorDesc> outputs;
    for (int32_t index = 0; index < gives; ++index) {
        std::vector<int64_t> whole;
        std::printf("output %d", static_cast<int>(types[index]));
        for (int32_t axis = 0; axis < output_shapes[index].nbDims; ++axis) {
            whole.push_back(output_shapes[index].d[axis]->getConstantValue());
            std::printf(" %lld", static_cast<long long>(whole.back()));
        }
        std::printf("\n");
        outputs.push_back(described(types[index], whole));
        tensors.push_back({outputs.back(), outputs.back().dims, outputs.back().dims, outputs.back().dims});
    }
    for (size_t position = 0; position < tensors.size(); ++position) {
        std::printf("types");
        for (const DataType type : {DataType::kFLOAT, DataType::kHALF, DataType::kINT8, DataType::kINT32}) {
            auto asked = tensors;
            asked[position].desc.type = type;
            if (build.supportsFormatCombination(static_cast<int32_t>(position), asked.data(), taken, gives))
                std::printf(" %d", static_cast<int>(type));
            asked[position].desc.format = TensorFormat::kCHW4;
            if (build.supportsFormatCombination(static_cast<int32_t>(position), asked.data(), taken, gives))
                return fail("nothing: it takes CHW4");
        }
        std::printf("\n");
    }
    if (build.configurePlugin(tensors.data(), taken, tensors.data() + taken, gives)) return fail("the shapes");

    auto &settled = as<IPluginV3OneRuntime>(*first, PluginCapabilityType::kRUNTIME);
    const std::unique_ptr<IPluginV3> second = created(creator, *settled.getFieldsToSerialize(), TensorRTPhase::kRUNTIME);
    if (!second) return fail("its own fields");
    const std::unique_ptr<IPluginV3> attached(
        as<IPluginV3OneRuntime>(*second, PluginCapabilityType::kRUNTIME).attachToContext(nullptr));
    auto &runtime = as<IPluginV3OneRuntime>(*attached, PluginCapabilityType::kRUNTIME);
    std::vector<PluginTensorDesc> in;
    for (const Input &input : inputs) in.push_back(input.description);
    std::vector<float> actions(outputs[0].dims.d[0] * outputs[0].dims.d[1] * outputs[0].dims.d[2]);
    std::vector<int32_t> verdicts(outputs[1].dims.d[0] * outputs[1].dims.d[1]);
    void *const targets[] = {actions.data(), verdicts.data()};
    if (!runtime.enqueue(in.data(), outputs.data(), addresses.data(), targets, nullptr, nullptr))
        return fail("nothing: it runs before it knows the shapes");
    if (runtime.onShapeChange(in.data(), taken, outputs.data(), gives)) return fail("the shapes at run time");
    for (int run = 0; run < 2; ++run)
        if (runtime.enqueue(in.data(), outputs.data(), addresses.data(), targets, nullptr, nullptr)) return fail("to run");
    write_file(folder + "/actions", actions.data(), actions.size() * sizeof(float));
    write_file(folder + "/verdicts", verdicts.data(), verdicts.size() * sizeof(int32_t));
    return 0;
}
