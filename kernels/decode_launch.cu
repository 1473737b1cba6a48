// The C ABI on a GPU: one launch a call. The emulation compiles this file too, as plain C++.
#include "launch.h"

#include "decode_check.h"
#include "decode_kernel.cuh"

namespace edgevla {
namespace {

// One thread a number, or a block of noise.
dim3 grid_of(int64_t threads) { return dim3(static_cast<unsigned>((threads + kThreads - 1) / kThreads)); }

template <typename Args>
int64_t numbers_of(const Args &args) {
    return static_cast<int64_t>(args.samples) * args.horizon * args.width;
}

template <typename Args>
int64_t noise_threads_of(const Args &args) {
    return static_cast<int64_t>(args.samples) * ((args.horizon * args.width + 3) / 4);
}

template <typename Args>
bool refuses(const Args *args) {
    return args == nullptr || !is_runnable(*args);
}

}  // namespace
}  // namespace edgevla

using namespace edgevla;

int edgevla_token_logits(const edgevla_token_args *args, void *stream) {
    if (refuses(args) || args->scratch == nullptr || !is_float(args->type)) return EDGEVLA_BAD_ARGUMENT;
    const dim3 grid(args->horizon * args->dims, args->samples);
    const auto kernel = args->type == EDGEVLA_F16 ? token_logits_kernel<Half> : token_logits_kernel<float>;
    return launch(kernel, grid, kThreads, *args, stream);
}

int edgevla_token_ids(const edgevla_token_args *args, void *stream) {
    if (refuses(args) || !is_id(args->type)) return EDGEVLA_BAD_ARGUMENT;
    const auto kernel = args->type == EDGEVLA_I64 ? token_ids_kernel<int64_t> : token_ids_kernel<int32_t>;
    return launch(kernel, args->samples, kThreads, *args, stream);
}

int edgevla_flow_step(const edgevla_flow_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    const auto kernel = args->type == EDGEVLA_F16 ? flow_step_kernel<Half> : flow_step_kernel<float>;
    return launch(kernel, grid_of(numbers_of(*args)), kThreads, *args, stream);
}

int edgevla_flow_finish(const edgevla_finish_args *args, void *stream) {
    if (refuses(args) || args->velocity == nullptr) return EDGEVLA_BAD_ARGUMENT;
    const auto kernel = args->type == EDGEVLA_F16 ? finish_kernel<FlowChunk<Half>> : finish_kernel<FlowChunk<float>>;
    return launch(kernel, args->samples, kThreads, *args, stream);
}

int edgevla_unnormalise(const edgevla_finish_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    const auto kernel = args->type == EDGEVLA_F16 ? finish_kernel<ReadyChunk<Half>> : finish_kernel<ReadyChunk<float>>;
    return launch(kernel, args->samples, kThreads, *args, stream);
}

int edgevla_noise(const edgevla_noise_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    return launch(noise_kernel, grid_of(noise_threads_of(*args)), kThreads, *args, stream);
}

int edgevla_ddpm_step(const edgevla_ddpm_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    const auto kernel = args->type == EDGEVLA_F16 ? ddpm_kernel<Half> : ddpm_kernel<float>;
    return launch(kernel, grid_of(noise_threads_of(*args)), kThreads, *args, stream);
}

int edgevla_ddim_step(const edgevla_ddim_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    if (args->spread > 0.0F) {
        const auto kernel = args->type == EDGEVLA_F16 ? ddim_noisy_kernel<Half> : ddim_noisy_kernel<float>;
        return launch(kernel, grid_of(noise_threads_of(*args)), kThreads, *args, stream);
    }
    const auto kernel = args->type == EDGEVLA_F16 ? ddim_kernel<Half> : ddim_kernel<float>;
    return launch(kernel, grid_of(numbers_of(*args)), kThreads, *args, stream);
}

int edgevla_inverse_dct(const edgevla_dct_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    return launch(inverse_dct_kernel, args->samples, kThreads, *args, stream);
}

int edgevla_ensemble(const edgevla_ensemble_args *args, void *stream) {
    if (refuses(args)) return EDGEVLA_BAD_ARGUMENT;
    const auto kernel = args->type == EDGEVLA_F16 ? ensemble_kernel<Half> : ensemble_kernel<float>;
    return launch(kernel, args->samples, kThreads, *args, stream);
}

int edgevla_abi(void) { return EDGEVLA_ABI; }

const char *edgevla_build(void) {
#if defined(EDGEVLA_EMULATED)
    return "emulation";
#else
    return "cuda";
#endif
}
