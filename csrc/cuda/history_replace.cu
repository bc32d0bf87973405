// Replacement of images in the history buffer.
// NOT RUN on a GPU yet: compiled only.
#include "../launchers.h"
#include "launch.cuh"
#include "rows.cuh"

namespace simgan::cuda {
namespace {

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

}  // namespace

int history_replace(void* buffer, int64_t capacity, const void* refined, const int64_t* slots,
                    int64_t count, int64_t row_bytes, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  if (count == 0 || row_bytes == 0) return cudaSuccess;
  return with_widest_word({buffer, refined}, row_bytes, [&](auto word) {
    using Word = decltype(word);
    const int64_t words = row_bytes / static_cast<int64_t>(sizeof(Word));
    const dim3 grid(static_cast<unsigned>(count), row_chunks(words));
    replace_rows_kernel<<<grid, kThreads, 0, queue>>>(
        static_cast<Word*>(buffer), static_cast<const Word*>(refined), slots, capacity, words);
    return static_cast<int>(cudaGetLastError());
  });
}

}  // namespace simgan::cuda
