/* What the TensorRT bindings look for when they are imported: enough to import them, and nothing that works. */
#define ANSWERS_NOTHING(name) \
    void *name(void) { return 0; }

ANSWERS_NOTHING(createInferBuilder_INTERNAL)
ANSWERS_NOTHING(createInferRefitter_INTERNAL)
ANSWERS_NOTHING(createInferRuntime_INTERNAL)
ANSWERS_NOTHING(createNvOnnxParserRefitter_INTERNAL)
ANSWERS_NOTHING(createNvOnnxParser_INTERNAL)
ANSWERS_NOTHING(getBuilderPluginRegistry)
ANSWERS_NOTHING(getNvOnnxParserVersion)
ANSWERS_NOTHING(getPluginRegistry)
ANSWERS_NOTHING(initLibNvInferPlugins)
