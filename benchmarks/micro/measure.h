// What the stand-alone measurements share: errors, random numbers, times, JSON.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace micro {

inline void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  exit(1);
}

// Uniform in [-1, 1), fresh for every call.
inline std::vector<__nv_bfloat16> random_numbers(size_t count, uint32_t seed) {
  std::vector<__nv_bfloat16> numbers(count);
  uint32_t state = seed * 2654435761u + 1;
  for (__nv_bfloat16& number : numbers) {
    state = state * 1664525u + 1013904223u;
    number = __float2bfloat16_rn(static_cast<float>(state >> 8) / 8388608.0f - 1.0f);
  }
  return numbers;
}

template <class T>
T* to_device(const std::vector<T>& from) {
  T* to = nullptr;
  check(cudaMalloc(&to, from.size() * sizeof(T)), "cudaMalloc");
  check(cudaMemcpy(to, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice), "copy");
  return to;
}

// Median milliseconds of `launch()`, after two warm-up calls.
template <class Launch>
float median_ms(const Launch& launch, int repeats = 15) {
  cudaEvent_t start, stop;
  check(cudaEventCreate(&start), "event");
  check(cudaEventCreate(&stop), "event");
  std::vector<float> times;
  for (int i = 0; i < repeats + 2; ++i) {
    check(cudaEventRecord(start), "record");
    launch();
    check(cudaEventRecord(stop), "record");
    check(cudaGetLastError(), "launch");
    check(cudaEventSynchronize(stop), "kernel");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start, stop), "time");
    if (i >= 2) times.push_back(ms);
  }
  check(cudaEventDestroy(start), "event");
  check(cudaEventDestroy(stop), "event");
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

inline int multiprocessors() {
  int count = 0;
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, 0), "attribute");
  return count;
}

}  // namespace micro
