// Both convolutions of a residual block in one pass, and its backward pass by the data.
//
//   forward   between = relu(conv(input) + bias1), zero outside the image
//             output = relu(conv(between) + bias2 + input)
//   backward  between = conv(input) where gate > 0, zero outside the image
//             output = conv(between) + input
//
// A block of 4 warps walks down a stream of pixels (pixel_stream.cuh). Windows of `input` and
// `between` stay in shared memory, so nothing but the results leaves the chip. The 18 filter taps
// [out][in] are streamed through two buffers, each while the one before is multiplied. A warp holds
// 64 pixels x kChannels sums in registers; a tap is a shift of the rows that ldmatrix reads, and a
// neighbour outside the image is one row of zeros.
#pragma once

#include "numbers.cuh"
#include "pixel_stream.cuh"
#include "ptx.cuh"
#include "residual_block_task.cuh"

namespace simgan::cuda {

// What one block needs to find its way; the sums are kept apart from it, in registers.
template <typename Element, int kChannels, bool kBackward>
class BlockWorker {
  using Row = Rows<kChannels>;
  using Memory = BlockMemory<kChannels>;

 public:
  static constexpr int kColumns = kChannels / 8;  // tiles of 8 output channels
  using Sums = float[kTiles][kColumns][4];

  __device__ explicit BlockWorker(const BlockTask<Element>& task)
      : task_(task),
        walk_(task.shape, kChunk, lead_chunks(task.shape.columns) * kChunk),
        ring_{Memory::ring_rows(task.shape.columns), 0},
        filters_(ptx::dynamic_shared()),
        input_(filters_ + Memory::kRings),
        between_(input_ + (ring_.size + 1) * Row::kBytes),
        lane_(threadIdx.x % 32),
        warp_row_(threadIdx.x / 32 * kWarpPixels) {}

  __device__ void run() {
    const int lead = lead_chunks(task_.shape.columns);
    position_ = walk_.first - lead * kChunk;
    for (int i = threadIdx.x; i < Row::kBytes / 4; i += kBlockThreads) {
      ptx::store_shared(input_ + ring_.zeros() * Row::kBytes + 4 * i, 0u);
      ptx::store_shared(between_ + ring_.zeros() * Row::kBytes + 4 * i, 0u);
    }
    load_filter(0, 0);
    load_pixels(task_.input, input_, position_, 0, ring_.size);
    ptx::commit_copies();
    Sums sums;
    for (; position_ < walk_.last; advance()) {
      const bool warming = position_ < walk_.first;
      start_sums(sums, task_.bias1, false);
      convolve(sums, input_, walk_.margin, 0, warming ? 0 : kTaps);
      finish_between(sums);
      if (warming) {
        __syncthreads();
        load_pixels(task_.input, input_, position_ + ring_.size, 0, kChunk);
        ptx::commit_copies();
        continue;
      }
      start_sums(sums, task_.bias2, true);
      const bool ends = position_ + kChunk >= walk_.last;
      convolve(sums, between_, 0, kTaps, ends ? -1 : 0);
      finish_output(sums);
    }
  }

 private:
  // The windows start at `position_` (input) and one margin before it (between).
  __device__ void advance() {
    position_ += kChunk;
    ring_.advance(kChunk);
  }

  // Starts the copy of tap 0 .. 17 to one of the two buffers.
  __device__ __forceinline__ void load_filter(int tap, uint32_t buffer) {
    constexpr unsigned kCount = kChannels * Row::kUnits;
    const Element* from = task_.filters + static_cast<int64_t>(tap) * kChannels * kChannels;
#pragma unroll
    for (unsigned first = 0; first < kCount; first += kBlockThreads) {
      const unsigned i = first + threadIdx.x;
      if (kCount % kBlockThreads != 0 && i >= kCount) break;
      const uint32_t offset = Row::offset(i / Row::kUnits, i % Row::kUnits);
      ptx::copy_async(filters_ + buffer * Memory::kFilterBytes + offset, from + i * 8, true);
    }
  }

  // Starts the copy of `count` pixels of `maps` from `position` to a window's offset.
  __device__ __forceinline__ void load_pixels(const Element* maps, uint32_t ring, int position,
                                              int offset, unsigned count) {
#pragma unroll 1
    for (unsigned i = threadIdx.x; i < count * Row::kUnits; i += kBlockThreads) {
      const unsigned pixel = i / Row::kUnits, unit = i % Row::kUnits;
      const Place place = walk_.locate(position + pixel);
      const Element* from = maps + (place.inside ? place.pixel * kChannels + unit * 8 : 0);
      ptx::copy_async(ring + Row::offset(ring_.row(offset + pixel), unit), from, place.inside);
    }
  }

  // sums += the 9 taps from `first_tap`, of the rows of `ring` one margin into the window. The
  // results lie `shift` positions after the chunk. `next` is the tap that follows, -1 for none.
  __device__ __forceinline__ void convolve(Sums& sums, uint32_t ring, int shift, int first_tap,
                                           int next) {
    unsigned neighbours[kTiles];
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
      const int row = warp_row_ + 16 * m + lane_ % 16;
      neighbours[m] = walk_.locate(position_ + shift + row).neighbours;
    }
#pragma unroll 1
    for (int tap = 0; tap < kTaps; ++tap) {
      ptx::wait_copies<0>();
      __syncthreads();
      const int following = tap + 1 < kTaps ? first_tap + tap + 1 : next;
      if (following >= 0) load_filter(following, buffer_ ^ 1);
      if (tap < kPieces) load_piece(tap * (kChunk / kPieces), first_tap, next);
      ptx::commit_copies();
      add_tap(sums, ring, tap, neighbours);
      buffer_ ^= 1;
    }
  }

  // What can be loaded beside a tap: beside the second convolution the next chunk of the input, in
  // place of the oldest, and beside the first the gate, to where its results will replace it.
  __device__ __forceinline__ void load_piece(int pixel, int first_tap, int next) {
    constexpr unsigned kPiece = kChunk / kPieces;
    if (first_tap != 0 && next >= 0) {
      load_pixels(task_.input, input_, position_ + ring_.size + pixel, pixel, kPiece);
    }
    if (kBackward && first_tap == 0) {
      const int offset = walk_.margin + pixel;
      load_pixels(task_.gate, between_, position_ + offset, walk_.margin + offset, kPiece);
    }
  }

  __device__ __forceinline__ void add_tap(Sums& sums, uint32_t ring, int tap,
                                          const unsigned (&neighbours)[kTiles]) {
    const int shift = (tap / 3 - 1) * task_.shape.columns + tap % 3 - 1;
    const unsigned needs = needs_of_tap(tap);
    uint32_t rows[kTiles], units[kTiles];
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
      const bool there = (neighbours[m] & needs) == needs;
      const int offset = walk_.margin + shift + warp_row_ + 16 * m + lane_ % 16;
      const uint32_t row = there ? ring_.row(offset) : ring_.zeros();
      rows[m] = ring + row * Row::kBytes;
      units[m] = lane_ / 16 ^ Row::swizzle(row);
    }
    const uint32_t filter = filters_ + buffer_ * Memory::kFilterBytes;
    const uint32_t out = lane_ / 16 * 8 + lane_ % 8, in_unit = lane_ / 8 % 2;
#pragma unroll
    for (int k = 0; k < kChannels / 16; ++k) {
      uint32_t a[kTiles][4];
#pragma unroll
      for (int m = 0; m < kTiles; ++m) {
        ptx::load_matrices(a[m], rows[m] + ((units[m] ^ 2 * k) << 4));
      }
#pragma unroll
      for (int n = 0; n < kColumns; n += 2) {
        uint32_t b[4];
        ptx::load_matrices(b, filter + Row::offset(8 * n + out, 2 * k + in_unit));
#pragma unroll
        for (int m = 0; m < kTiles; ++m) {
          ptx::multiply_add<Element>(sums[m][n], a[m], b[0], b[1]);
          ptx::multiply_add<Element>(sums[m][n + 1], a[m], b[2], b[3]);
        }
      }
    }
  }

  // Calls each(row of the chunk, m, i) for the rows that this thread holds sums[m][n][i, i + 1] of,
  // those of channels 8n + 2 (lane % 4) and the next.
  template <typename Each>
  __device__ __forceinline__ void for_rows(const Each& each) {
#pragma unroll
    for (int m = 0; m < kTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        each(warp_row_ + 16 * m + 8 * half + lane_ / 4, m, 2 * half);
      }
    }
  }

  // The bias and, if asked for, the input at the chunk's positions.
  __device__ __forceinline__ void start_sums(Sums& sums, const Element* bias, bool add_input) {
    float2 biases[kColumns] = {};
    if constexpr (!kBackward) {
#pragma unroll
      for (int n = 0; n < kColumns; ++n) biases[n] = load_pair(bias + 8 * n + lane_ % 4 * 2);
    }
    for_rows([&](int row, int m, int i) {
      const uint32_t ring_row = ring_.row(row);
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        float2 input = {0.0f, 0.0f};
        if (add_input) {
          const uint32_t address = input_ + Row::offset(ring_row, n) + lane_ % 4 * 4;
          input = unpack<Element>(ptx::load_shared<uint32_t>(address));
        }
        sums[m][n][i] = biases[n].x + input.x;
        sums[m][n][i + 1] = biases[n].y + input.y;
      }
    });
  }

  // The first convolution's epilogue: to the window of `between`, and to memory if wanted.
  __device__ __forceinline__ void finish_between(const Sums& sums) {
    for_rows([&](int row, int m, int i) {
      const int position = position_ + walk_.margin + row;
      const Place place = walk_.locate(position);
      const bool wanted = task_.between != nullptr && place.owned && position >= walk_.first &&
                          position < walk_.last;
      const uint32_t ring_row = ring_.row(2 * walk_.margin + row);
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        const uint32_t address = between_ + Row::offset(ring_row, n) + lane_ % 4 * 4;
        uint32_t pair = 0;
        if constexpr (kBackward) {
          const float2 gate = unpack<Element>(ptx::load_shared<uint32_t>(address));  // 0 outside
          pair = pack<Element>(keep_positive({sums[m][n][i], sums[m][n][i + 1]}, gate));
        } else if (place.inside) {
          pair = ptx::pack_relu<Element>(sums[m][n][i], sums[m][n][i + 1]);
        }
        ptx::store_shared(address, pair);
        const int64_t at = place.pixel * kChannels + 8 * n + lane_ % 4 * 2;
        if (wanted) store_pair(task_.between + at, pair);
      }
    });
  }

  __device__ __forceinline__ void finish_output(const Sums& sums) {
    for_rows([&](int row, int m, int i) {
      const Place place = walk_.locate(position_ + row);
      if (!place.owned) return;
#pragma unroll
      for (int n = 0; n < kColumns; ++n) {
        const float low = sums[m][n][i], high = sums[m][n][i + 1];
        const int64_t at = place.pixel * kChannels + 8 * n + lane_ % 4 * 2;
        store_pair(task_.output + at,
                   kBackward ? pack<Element>({low, high}) : ptx::pack_relu<Element>(low, high));
      }
    });
  }

  // As threshold_backward: a NaN in the gate lets through.
  __device__ static float2 keep_positive(float2 v, float2 gate) {
    return {gate.x <= 0.0f ? 0.0f : v.x, gate.y <= 0.0f ? 0.0f : v.y};
  }
  __device__ static float2 load_pair(const Element* from) {
    return unpack<Element>(*reinterpret_cast<const uint32_t*>(from));
  }
  __device__ static void store_pair(Element* to, uint32_t pair) {
    *reinterpret_cast<uint32_t*>(to) = pair;
  }

  const BlockTask<Element>& task_;
  const Walk walk_;
  Ring ring_;
  const uint32_t filters_, input_, between_;  // addresses in shared memory
  const int lane_, warp_row_;
  int position_ = 0;     // of the chunk
  uint32_t buffer_ = 0;  // of the tap that comes next
};

template <typename Element, int kChannels, bool kBackward>
__global__ void __launch_bounds__(kBlockThreads, kBlocksWanted)
    residual_block_kernel(const __grid_constant__ BlockTask<Element> task) {
  BlockWorker<Element, kChannels, kBackward>(task).run();
}

}  // namespace simgan::cuda
