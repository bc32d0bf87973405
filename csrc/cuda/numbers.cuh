// The 16-bit numbers that tensor cores multiply, alone and in pairs.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>

namespace simgan::cuda {

__device__ __forceinline__ float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}
__device__ __forceinline__ float to_float(__half value) {
  return __half2float(value);
}

template <typename Element>
__device__ __forceinline__ Element from_float(float value);
template <>
__device__ __forceinline__ __nv_bfloat16 from_float(float value) {
  return __float2bfloat16_rn(value);
}
template <>
__device__ __forceinline__ __half from_float(float value) {
  return __float2half_rn(value);
}

// Two elements in one register, the first in the lower half.
template <typename Element>
__device__ __forceinline__ uint32_t pack(float2 values) {
  const Element pair[2] = {from_float<Element>(values.x), from_float<Element>(values.y)};
  uint32_t word;
  memcpy(&word, pair, sizeof word);
  return word;
}

template <typename Element>
__device__ __forceinline__ float2 unpack(uint32_t word) {
  Element pair[2];
  memcpy(pair, &word, sizeof word);
  return {to_float(pair[0]), to_float(pair[1])};
}

}  // namespace simgan::cuda
