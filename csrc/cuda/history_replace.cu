// Replacement of images in the history buffer.
// NOT RUN on a GPU yet: compiled only.
#include "../launchers.h"
#include "launch.cuh"

namespace simgan::cuda {
namespace {

constexpr int64_t kMaxChunks = 32;

// One image per blockIdx.x; blockIdx.y strides over the words of a row.
template <typename Word>
__global__ void __launch_bounds__(kThreads)
    replace_rows_kernel(Word* __restrict__ buffer,          // [capacity, words]
                        const Word* __restrict__ refined,   // [gridDim.x, words]
                        const int64_t* __restrict__ slots,  // [gridDim.x]
                        int64_t capacity, int64_t words) {
  const int64_t slot = slots[blockIdx.x];
  if (slot < 0 || slot >= capacity) return;
  const Word* source = refined + blockIdx.x * words;
  Word* row = buffer + slot * words;
  const int64_t stride = static_cast<int64_t>(gridDim.y) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x; i < words;
       i += stride) {
    row[i] = source[i];
  }
}

template <typename Word>
bool fits(const void* buffer, const void* refined, int64_t row_bytes) {
  const auto address = reinterpret_cast<uintptr_t>(buffer) | reinterpret_cast<uintptr_t>(refined);
  return address % sizeof(Word) == 0 && row_bytes % static_cast<int64_t>(sizeof(Word)) == 0;
}

template <typename Word>
int launch(void* buffer, int64_t capacity, const void* refined, const int64_t* slots, int64_t count,
           int64_t row_bytes, cudaStream_t stream) {
  const int64_t words = row_bytes / static_cast<int64_t>(sizeof(Word));
  const int64_t chunks = std::clamp<int64_t>((words + kThreads - 1) / kThreads, 1, kMaxChunks);
  const dim3 grid(static_cast<unsigned>(count), static_cast<unsigned>(chunks));
  replace_rows_kernel<Word><<<grid, kThreads, 0, stream>>>(
      static_cast<Word*>(buffer), static_cast<const Word*>(refined), slots, capacity, words);
  return cudaGetLastError();
}

}  // namespace

int history_replace(void* buffer, int64_t capacity, const void* refined, const int64_t* slots,
                    int64_t count, int64_t row_bytes, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  if (count == 0 || row_bytes == 0) return cudaSuccess;
  if (fits<uint4>(buffer, refined, row_bytes)) {
    return launch<uint4>(buffer, capacity, refined, slots, count, row_bytes, queue);
  }
  if (fits<uint32_t>(buffer, refined, row_bytes)) {
    return launch<uint32_t>(buffer, capacity, refined, slots, count, row_bytes, queue);
  }
  return launch<uint8_t>(buffer, capacity, refined, slots, count, row_bytes, queue);
}

}  // namespace simgan::cuda
