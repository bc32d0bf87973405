// Both convolutions of a residual block in one pass on sm_90a, and its backward pass by the data.
//
//   forward   between = relu(conv(input) + bias1), output = relu(conv(between) + bias2 + input)
//   backward  between = conv(input) where gate > 0, output = conv(between) + input, where
//             output_gate > 0 if there is one
//
// A CTA walks over successive chunks of the streams (residual_trunk_stream.cuh). The filters never
// move: 36 fragments of operand A fill 144 registers of every thread of a warpgroup, one warpgroup
// per convolution, and the pixels are operand B. The first warpgroup writes `between` into a ring
// in shared memory, from which the second one reads; while one finishes its chunk, the other has
// the tensor cores. The warps of a third warpgroup do the copying.
#pragma once

#include "residual_trunk_copies.cuh"
#include "wgmma.cuh"

namespace simgan::cuda::trunk {

constexpr int kTilePixels = 16;  // of an epilogue step
constexpr int kTiles = kChunk / kTilePixels;

using Filters = uint32_t[kFragments][4];
using Sums = float[kChunk / 2];

// Comparisons, not fmaxf: a NaN must stay one.
__device__ __forceinline__ float relu(float value) {
  return value < 0.0f ? 0.0f : value;
}

template <bool kBackward>
class Convolver : BlockRole<kBackward> {
  using Role = BlockRole<kBackward>;
  using Role::arrive, Role::barrier, Role::wait, Role::wait_empty;
  using Role::first_, Role::lane_, Role::last_, Role::task_, Role::warp_;

 public:
  __device__ explicit Convolver(const BlockTask& task)
      : Role(task),
        // Row lane % 8 of the epilogue's matrix lane / 8: 2 x 8 pixels of 2 x 8 channels.
        row_plane_(warp_ * 2 + lane_ / 8 % 2),
        row_slot_(lane_ / 16 * 8 + lane_ % 8) {}

  __device__ __forceinline__ void run_first() const {
    Filters filters;
    load_filters(filters, 0);
    const float2 bias = load_bias(task_.bias1);
    Turn<kInputStages> input;
    Turn<kRing> ring;
    for (int chunk = first_ - 1; chunk <= last_; ++chunk, input.next(), ring.next()) {
      const uint4 inside = task_.inside[chunk + 1];
      Sums sums;
      start_sums(sums, bias);
      wait(kInputFull, input);
      convolve<kInputSlots>(sums, filters, this->input_chunk(input.stage));
      arrive(kInputEmpty, input.stage);
      if (kBackward) {
        wait(kGateFull, ring);
      } else {
        wait_empty(kBetweenEmpty, ring);
      }
      finish_between(sums, inside, ring.stage);
      ptx::fence_async();
      arrive(kBetweenFull, ring.stage);
    }
  }

  __device__ __forceinline__ void run_second() const {
    Filters filters;
    load_filters(filters, 1);
    const float2 bias = load_bias(task_.bias2);
    Turn<kRing> before, after;  // the neighbours of the chunk in the ring
    for (int i = 0; i < 2; ++i, after.next()) wait(kBetweenFull, after);
    Turn<kOutputStages> output;
    for (int chunk = first_; chunk < last_; ++chunk, before.next(), after.next(), output.next()) {
      const uint4 inside = task_.inside[chunk + 1];
      Sums sums;
      start_sums(sums, bias);
      wait(kBetweenFull, after);
      convolve<kRingSlots>(sums, filters, this->ring_chunk((before.stage + 1) % kRing));
      arrive(kBetweenEmpty, before.stage);
      wait(kSkipFull, output);
      finish_output(sums, inside, output.stage);
      ptx::fence_async();
      arrive(kOutputFull, output.stage);
    }
  }

 private:
  __device__ __forceinline__ void load_filters(Filters& filters, int convolution) const {
    const uint4* from = task_.filters + convolution * kFragments * kWarpgroup;
#pragma unroll
    for (int i = 0; i < kFragments; ++i) {
      const uint4 fragment = from[i * kWarpgroup + threadIdx.x % kWarpgroup];
      filters[i][0] = fragment.x;
      filters[i][1] = fragment.y;
      filters[i][2] = fragment.z;
      filters[i][3] = fragment.w;
    }
  }

  // Of the two output channels whose sums this thread holds.
  __device__ __forceinline__ float2 load_bias(const __nv_bfloat16* bias) const {
    if (kBackward) return {0.0f, 0.0f};
    const int channel = warp_ * 16 + lane_ / 4;
    return {to_float(bias[channel]), to_float(bias[channel + 8])};
  }

  __device__ __forceinline__ static void start_sums(Sums& sums, float2 bias) {
#pragma unroll
    for (int i = 0; i < kChunk / 2; i += 4) {
      sums[i] = sums[i + 1] = bias.x;
      sums[i + 2] = sums[i + 3] = bias.y;
    }
  }

  // sums += the 9 taps of the chunk that starts at `start`, its planes kPlaneSlots apart.
  template <int kPlaneSlots>
  __device__ __forceinline__ void convolve(Sums& sums, const Filters& filters,
                                           uint32_t start) const {
    const uint64_t middle = ptx::matrix_descriptor(start, kPlaneSlots * kSlotBytes, kCoreBytes);
    ptx::pin(sums);
    ptx::fence_products();
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const int shift = (tap / 3 - 1) * task_.pitch + tap % 3 - 1;
#pragma unroll
      for (int k = 0; k < kChannels / 16; ++k) {
        ptx::multiply_add_async(sums, filters[tap * 4 + k],
                                ptx::move_descriptor(middle, shift + 2 * k * kPlaneSlots));
      }
    }
    ptx::commit_products();
    ptx::wait_products<0>();
    ptx::pin(sums);
  }

  // The 4 sums of pixels 8 * n + 2 * (lane % 4) and + 1, of the lower and the upper channel, as
  // pairs of neighbouring pixels; zero where they are padding.
  struct Pairs {
    uint32_t lower, upper;
  };
  __device__ __forceinline__ Pairs pack_sums(const float* sums, const uint4& inside, int n) const {
    const uint32_t words[4] = {inside.x, inside.y, inside.z, inside.w};
    const uint32_t bits = words[n / 4] >> (n % 4 * 8 + lane_ % 4 * 2);
    const uint32_t keep = (bits & 1 ? 0xffffu : 0u) | (bits & 2 ? 0xffff0000u : 0u);
    return {pack<__nv_bfloat16>({sums[0], sums[1]}) & keep,
            pack<__nv_bfloat16>({sums[2], sums[3]}) & keep};
  }

  __device__ __forceinline__ void finish_between(Sums& sums, const uint4& inside, int stage) const {
    const uint32_t plane_bytes = kRingSlots * kSlotBytes;
    const uint32_t row =
        this->ring_chunk(stage) + row_plane_ * plane_bytes + row_slot_ * kSlotBytes;
    constexpr int kTurnBytes = kRing * kChunk * kSlotBytes;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const uint32_t to = row + tile * kTilePixels * kSlotBytes;
      uint32_t pairs[4];
      if constexpr (kBackward) {
        ptx::load_matrices_transposed(pairs, to);
        __syncwarp();
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int n = 2 * tile + half;
        float* const own = sums + 4 * n;
        if constexpr (!kBackward) {
#pragma unroll
          for (int i = 0; i < 4; ++i) own[i] = relu(own[i]);
        }
        Pairs result = pack_sums(own, inside, n);
        if constexpr (kBackward) {
          result.lower = keep_where_positive(result.lower, pairs[2 * half]);
          result.upper = keep_where_positive(result.upper, pairs[2 * half + 1]);
        }
        pairs[2 * half] = result.lower;
        pairs[2 * half + 1] = result.upper;
      }
      ptx::store_matrices_transposed(to, pairs);
      // The margins of the ring repeat its other end.
      if (stage == 0 && tile * kTilePixels < task_.margin) {
        ptx::store_matrices_transposed(to + kTurnBytes, pairs);
      }
      if (stage == kRing - 1 && (kTiles - tile) * kTilePixels <= task_.margin) {
        ptx::store_matrices_transposed(to - kTurnBytes, pairs);
      }
    }
  }

  __device__ __forceinline__ void finish_output(Sums& sums, const uint4& inside, int stage) const {
    const uint32_t offset = (row_plane_ * kChunk + row_slot_) * kSlotBytes;
    const uint32_t from = this->skip_chunk(stage) + offset, to = this->output_chunk(stage) + offset;
    const bool gated = kBackward && task_.output_gate != nullptr;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      constexpr int kTileBytes = kTilePixels * kSlotBytes;
      uint32_t pairs[4], gates[4];
      ptx::load_matrices_transposed(pairs, from + tile * kTileBytes);
      if (gated) ptx::load_matrices_transposed(gates, to + tile * kTileBytes);
      __syncwarp();
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int n = 2 * tile + half;
        float* const own = sums + 4 * n;
        const float2 lower = unpack<__nv_bfloat16>(pairs[2 * half]);
        const float2 upper = unpack<__nv_bfloat16>(pairs[2 * half + 1]);
        const float skips[4] = {lower.x, lower.y, upper.x, upper.y};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          own[i] += skips[i];
          if constexpr (!kBackward) own[i] = relu(own[i]);
        }
        Pairs result = pack_sums(own, inside, n);
        if (gated) {
          result.lower = keep_where_positive(result.lower, gates[2 * half]);
          result.upper = keep_where_positive(result.upper, gates[2 * half + 1]);
        }
        pairs[2 * half] = result.lower;
        pairs[2 * half + 1] = result.upper;
      }
      ptx::store_matrices_transposed(to + tile * kTileBytes, pairs);
    }
  }

  const int row_plane_, row_slot_;
};

template <bool kBackward>
__global__ void __launch_bounds__(kBlockThreads, 1)
    residual_trunk_kernel(const __grid_constant__ BlockTask task) {
  if (threadIdx.x == 0) init_barriers<kBackward>(task);
  __syncthreads();
  if (threadIdx.x < kWarpgroup) {
    ptx::release_registers<24>();
    Copier<kBackward>(task).run();
  } else {
    ptx::claim_registers<240>();
    const Convolver<kBackward> convolver(task);
    if (threadIdx.x < 2 * kWarpgroup) {
      convolver.run_first();
    } else {
      convolver.run_second();
    }
  }
}

}  // namespace simgan::cuda::trunk
