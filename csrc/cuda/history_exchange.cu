// The history's swap in one launch: random images out, refined ones in (section 2.3).
// NOT RUN on a GPU yet: compiled only.
#include "../launchers.h"
#include "../random_slots.h"
#include "launch.cuh"
#include "rows.cuh"

namespace simgan::cuda {
namespace {

// Blocks x < count own the slots to replace: they move the old image out first if it is sampled,
// the others own the sampled slots that stay. So no row is touched by two blocks.
// blockIdx.y strides over the words of a row.
template <typename Word>
__global__ void __launch_bounds__(kThreads)
    exchange_rows_kernel(Word* __restrict__ buffer,         // [size, words]
                         const Word* __restrict__ refined,  // [count, words]
                         Word* __restrict__ old,            // [count, words]
                         unsigned long long* state,         // [2]
                         uint32_t size, uint32_t count, int64_t words) {
  __shared__ uint32_t keys[kKeys];
  __shared__ uint32_t slot, other_image;
  const bool replaces = blockIdx.x < count;
  const uint32_t image = replaces ? blockIdx.x : blockIdx.x - count;
  const auto number = static_cast<uint32_t>(*(volatile unsigned long long*)(state + 1));
  if (threadIdx.x < kKeys) keys[threadIdx.x] = draw_key(state[0], number, size, threadIdx.x);
  __syncthreads();
  if (threadIdx.x == 0) {
    slot = slot_of(image, keys, replaces ? kReplaced : kSampled, size);
    other_image = image_in(slot, keys, replaces ? kSampled : kReplaced, size);
    // The upper half of the number counts the blocks that have read it; the last one clears it.
    const unsigned long long arrived = atomicAdd(state + 1, 1ull << 32) >> 32;
    if (arrived == static_cast<unsigned long long>(gridDim.x) * gridDim.y - 1) {
      state[1] = number + 1u;
    }
  }
  __syncthreads();
  const bool copies = replaces == (other_image < count);
  Word* row = buffer + slot * words;
  Word* to = old + (replaces ? other_image : image) * words;
  const Word* from = refined + image * words;
  const int64_t stride = static_cast<int64_t>(gridDim.y) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x; i < words;
       i += stride) {
    if (copies) to[i] = row[i];
    if (replaces) row[i] = from[i];
  }
}

static_assert(kKeys <= kThreads);

}  // namespace

int history_exchange(void* buffer, int64_t capacity, const void* refined, int64_t count,
                     int64_t row_bytes, int64_t* state, void* old, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  return with_widest_word({buffer, refined, old}, row_bytes, [&](auto word) {
    using Word = decltype(word);
    const int64_t words = row_bytes / static_cast<int64_t>(sizeof(Word));
    const dim3 grid(static_cast<unsigned>(2 * count), row_chunks(words));
    exchange_rows_kernel<<<grid, kThreads, 0, queue>>>(
        static_cast<Word*>(buffer), static_cast<const Word*>(refined), static_cast<Word*>(old),
        reinterpret_cast<unsigned long long*>(state), static_cast<uint32_t>(capacity),
        static_cast<uint32_t>(count), words);
    return static_cast<int>(cudaGetLastError());
  });
}

}  // namespace simgan::cuda
