// Stands in for CUDA's header of this name: the words of the language and the calls our launchers
// make, for a kernel source that g++ compiles.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "machine.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

using dim3 = emulation::Dim3;

inline const dim3& threadIdx = emulation::machine.thread_index;
inline const dim3& blockIdx = emulation::machine.block_index;
inline const dim3& blockDim = emulation::machine.block;
inline const dim3& gridDim = emulation::machine.grid;

struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

using std::max;
using std::min;

inline void __syncthreads() {
  emulation::named_barrier(0, emulation::machine.thread_count, "__syncthreads");
}

inline void __syncwarp() {
  emulation::meet(emulation::machine.warp_barriers[emulation::current().warp()], emulation::kLanes,
                  "__syncwarp");
}

inline unsigned __umulhi(unsigned one, unsigned other) {
  return static_cast<unsigned>(uint64_t{one} * other >> 32);
}

// Needs all lanes, whatever the mask says.
inline float __shfl_xor_sync(unsigned, float value, int lane_mask) {
  struct Operands {
    float value;
    int lane_mask;
    float result;
  } mine{value, lane_mask, 0.0f};
  emulation::together("shfl.xor", mine, [](Operands* const* lanes) {
    for (int l = 0; l < emulation::kLanes; ++l) {
      lanes[l]->result = lanes[l ^ lanes[l]->lane_mask]->value;
    }
  });
  return mine.result;
}

template <class T>
T __shfl_sync(unsigned, T value, int from) {
  struct Operands {
    T value;
    int from;
    T result;
  } mine{value, from, value};
  emulation::together("shfl.idx", mine, [](Operands* const* lanes) {
    for (int l = 0; l < emulation::kLanes; ++l) lanes[l]->result = lanes[lanes[l]->from]->value;
  });
  return mine.result;
}

inline unsigned __ballot_sync(unsigned, bool vote) {
  struct Operands {
    bool vote;
    unsigned result;
  } mine{vote, 0};
  emulation::together("vote.ballot", mine, [](Operands* const* lanes) {
    unsigned votes = 0;
    for (int l = 0; l < emulation::kLanes; ++l) votes |= unsigned{lanes[l]->vote} << l;
    for (int l = 0; l < emulation::kLanes; ++l) lanes[l]->result = votes;
  });
  return mine.result;
}

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorLaunchFailure = 719,
};
using cudaStream_t = void*;
enum cudaDeviceAttr {
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9,
};
constexpr int cudaSharedmemCarveoutMaxShared = 100;
struct cudaLaunchAttribute;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

namespace emulation {

// What the launchers ask of the GPU; tests change it.
struct Gpu {
  int multiprocessors = 2;
  int shared_per_multiprocessor = 228 * 1024;
  int shared_per_block = 227 * 1024;
};

inline Gpu gpu;
inline cudaError_t last_error = cudaSuccess;
inline std::map<const void*, size_t> granted;  // dynamic shared memory above the usual 48 KiB

inline cudaError_t refuse(const char* reason) {
  snprintf(failure.text, sizeof failure.text, "%s", reason);
  return last_error = cudaErrorInvalidValue;
}

inline const char* problem_of(const cudaLaunchConfig_t& how, const void* kernel) {
  const int64_t threads = int64_t{how.blockDim.x} * how.blockDim.y * how.blockDim.z;
  if (threads < 1 || threads > kMaxThreads || threads % kLanes != 0) return "a wrong block size";
  if (how.gridDim.x < 1 || how.gridDim.y < 1 || how.gridDim.z < 1) return "an empty grid";
  if (how.gridDim.x > 2147483647u || how.gridDim.y > 65535 || how.gridDim.z > 65535) {
    return "a grid that is too large";
  }
  if (how.dynamicSmemBytes > std::max(size_t{48 * 1024}, granted[kernel])) {
    return "more shared memory than was asked for";
  }
  return nullptr;
}

}  // namespace emulation

template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel* kernel, cudaFuncAttribute what, int bytes) {
  if (what != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;  // a hint
  if (bytes > emulation::gpu.shared_per_block) {
    return emulation::refuse("more shared memory than the GPU has");
  }
  emulation::granted[reinterpret_cast<const void*>(kernel)] = bytes;
  return cudaSuccess;
}

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* how, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const char* problem = emulation::problem_of(*how, reinterpret_cast<const void*>(kernel));
  if (problem != nullptr) return emulation::refuse(problem);
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> parameters;
  } call{kernel, {arguments...}};
  const auto body = [](const void* self) {
    const Call& it = *static_cast<const Call*>(self);
    std::apply(it.kernel, it.parameters);
  };
  const bool done =
      emulation::run_grid(how->gridDim, how->blockDim, how->dynamicSmemBytes, body, &call);
  return done ? cudaSuccess : (emulation::last_error = cudaErrorLaunchFailure);
}

inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr what, int) {
  *value = what == cudaDevAttrMultiProcessorCount ? emulation::gpu.multiprocessors
           : what == cudaDevAttrMaxSharedMemoryPerBlockOptin
               ? emulation::gpu.shared_per_block
               : emulation::gpu.shared_per_multiprocessor;
  return cudaSuccess;
}

inline cudaError_t cudaGetLastError() {
  return std::exchange(emulation::last_error, cudaSuccess);
}

inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : emulation::failure.text;
}
