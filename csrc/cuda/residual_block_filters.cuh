// Gradients of a 3x3 convolution by its filters and its bias:
//
//   filters[tap][in][out] = sum over pixels of input[pixel + tap][in] * grad[pixel][out]
//   bias[out]             = sum over pixels of grad[pixel][out]
//
// A block walks down its share of the pixels (pixel_stream.cuh) with all 9 taps' sums in registers:
// a warp holds 16 input by 8 * kOutTiles output channels of each. Pixels are what is summed over,
// so both operands are read transposed; a fragment of `grad` serves all taps. The blocks' sums are
// added by a second kernel: no atomics, so the same bits every time on one kind of GPU.
#pragma once

#include "numbers.cuh"
#include "pixel_stream.cuh"
#include "ptx.cuh"

namespace simgan::cuda {

constexpr int kFilterChunk = 128;  // pixels between two barriers

template <typename Element>
struct FilterTask {
  StreamShape shape;
  const Element* input;  // [images][height][width][C]
  const Element* grad;   // as input
  float* partials;       // [blocks][3 * 3 * in * out + out]
};

template <int kChannels>
struct FilterLayout {
  using Row = Rows<kChannels>;
  static constexpr int kOutTiles = kChannels == 64 ? 4 : 2;  // of 8 channels, per warp
  static constexpr int kWarpsOut = kChannels / (8 * kOutTiles);
  static constexpr int kThreads = kChannels / 16 * kWarpsOut * 32;
  static constexpr int kBlocksWanted = kThreads < 256 ? 256 / kThreads : 1;  // per multiprocessor
  static constexpr int kSums = 9 * kChannels * kChannels + kChannels;
  static constexpr int kGrad = 2 * kFilterChunk * 4;  // behind the pixels' neighbours
  static constexpr int kRing = kGrad + 2 * kFilterChunk * Row::kBytes;

  __host__ __device__ static constexpr int ring_rows(int columns) {
    return 2 * kFilterChunk + 2 * (columns + 1);
  }
  __host__ __device__ static constexpr int64_t bytes(int columns) {
    return kRing + int64_t{1} * (ring_rows(columns) + 1) * Row::kBytes;
  }
};

template <typename Element, int kChannels>
class FilterWorker {
  using Row = Rows<kChannels>;
  using Layout = FilterLayout<kChannels>;
  static constexpr int kOutTiles = Layout::kOutTiles;

 public:
  __device__ explicit FilterWorker(const FilterTask<Element>& task)
      : task_(task),
        walk_(task.shape, kFilterChunk, task.shape.columns + 1),
        ring_{Layout::ring_rows(task.shape.columns), 0},
        memory_(ptx::dynamic_shared()),
        lane_(threadIdx.x % 32),
        in_tile_(threadIdx.x / 32 / Layout::kWarpsOut),
        out_tile_(threadIdx.x / 32 % Layout::kWarpsOut * kOutTiles) {}

  __device__ void run() {
    for (int i = threadIdx.x; i < Row::kBytes / 4; i += Layout::kThreads) {
      ptx::store_shared(memory_ + Layout::kRing + ring_.zeros() * Row::kBytes + 4 * i, 0u);
    }
    int position = walk_.first;
    load_input(position - walk_.margin, 0, kFilterChunk + 2 * walk_.margin);
    load_grad(position, 0);
    ptx::commit_copies();
    float sums[9][kOutTiles][4] = {};
    float bias[kOutTiles] = {};
    for (int buffer = 0; position < walk_.last; buffer ^= 1) {
      for (int i = threadIdx.x; i < kFilterChunk; i += Layout::kThreads) {
        ptx::store_shared(neighbours(buffer, i), walk_.locate(position + i).neighbours);
      }
      ptx::wait_copies<0>();
      __syncthreads();
      const int next = position + kFilterChunk;
      if (next < walk_.last) {
        load_input(next + walk_.margin, kFilterChunk + 2 * walk_.margin, kFilterChunk);
        load_grad(next, buffer ^ 1);
      }
      ptx::commit_copies();
#pragma unroll 1
      for (int step = 0; step < kFilterChunk; step += 16) add_pixels(sums, bias, buffer, step);
      ring_.advance(kFilterChunk);
      position = next;
    }
    ptx::wait_copies<0>();
    write(sums, bias);
  }

 private:
  __device__ uint32_t neighbours(int buffer, int pixel) const {
    return memory_ + (buffer * kFilterChunk + pixel) * 4;
  }

  __device__ void load_input(int position, int offset, unsigned count) {
#pragma unroll 1
    for (unsigned i = threadIdx.x; i < count * Row::kUnits; i += Layout::kThreads) {
      const unsigned pixel = i / Row::kUnits, unit = i % Row::kUnits;
      const Place place = walk_.locate(position + pixel);
      const Element* from = task_.input + (place.inside ? place.pixel * kChannels + unit * 8 : 0);
      const uint32_t to = Layout::kRing + Row::offset(ring_.row(offset + pixel), unit);
      ptx::copy_async(memory_ + to, from, place.inside);
    }
  }

  // Pixels that another strip adds count as 0; those of other blocks lie in other chunks.
  __device__ void load_grad(int position, int buffer) {
    for (unsigned i = threadIdx.x; i < kFilterChunk * Row::kUnits; i += Layout::kThreads) {
      const unsigned pixel = i / Row::kUnits, unit = i % Row::kUnits;
      const Place place = walk_.locate(position + pixel);
      const Element* from = task_.grad + (place.owned ? place.pixel * kChannels + unit * 8 : 0);
      const uint32_t to = Layout::kGrad + Row::offset(buffer * kFilterChunk + pixel, unit);
      ptx::copy_async(memory_ + to, from, place.owned);
    }
  }

  // Adds 16 pixels of the chunk, from `step`.
  __device__ __forceinline__ void add_pixels(float (&sums)[9][kOutTiles][4],
                                             float (&bias)[kOutTiles], int buffer, int step) {
    uint32_t b[kOutTiles / 2][4];
#pragma unroll
    for (int n = 0; n < kOutTiles; n += 2) {
      const int row = buffer * kFilterChunk + step + lane_ % 16;
      const uint32_t grad = Layout::kGrad + Row::offset(row, out_tile_ + n + lane_ / 16);
      ptx::load_matrices_transposed(b[n / 2], memory_ + grad);
      if (in_tile_ == 0) {
        bias[n] += sum_of(b[n / 2][0]) + sum_of(b[n / 2][1]);
        bias[n + 1] += sum_of(b[n / 2][2]) + sum_of(b[n / 2][3]);
      }
    }
    const int pixel = step + lane_ / 16 * 8 + lane_ % 8;
    const uint32_t unit = 2 * in_tile_ + lane_ / 8 % 2;
    const auto there = ptx::load_shared<uint32_t>(neighbours(buffer, pixel));
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      const int shift = (tap / 3 - 1) * task_.shape.columns + tap % 3 - 1;
      const unsigned needs = needs_of_tap(tap);
      const uint32_t inside = ring_.row(walk_.margin + pixel + shift);
      const uint32_t row = (there & needs) == needs ? inside : ring_.zeros();
      uint32_t a[4];
      ptx::load_matrices_transposed(a, memory_ + Layout::kRing + Row::offset(row, unit));
#pragma unroll
      for (int n = 0; n < kOutTiles; ++n) {
        const uint32_t* pair = &b[n / 2][n % 2 * 2];
        ptx::multiply_add<Element>(sums[tap][n], a, pair[0], pair[1]);
      }
    }
  }

  __device__ static float sum_of(uint32_t word) {
    const float2 pair = unpack<Element>(word);
    return pair.x + pair.y;
  }

  __device__ void write(const float (&sums)[9][kOutTiles][4], const float (&bias)[kOutTiles]) {
    const int64_t block = static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x;
    float* to = task_.partials + block * Layout::kSums;
    const int in = 16 * in_tile_ + lane_ / 4;
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
#pragma unroll
      for (int n = 0; n < kOutTiles; ++n) {
        const int out = 8 * (out_tile_ + n) + lane_ % 4 * 2;
        const float* sum = sums[tap][n];
        float* first = to + (tap * kChannels + in) * kChannels + out;
        *reinterpret_cast<float2*>(first) = {sum[0], sum[1]};
        *reinterpret_cast<float2*>(first + 8 * kChannels) = {sum[2], sum[3]};
      }
    }
#pragma unroll
    for (int n = 0; n < kOutTiles; ++n) {
      float sum = bias[n];
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      if (in_tile_ == 0 && lane_ % 4 == 0) {
        to[9 * kChannels * kChannels + 8 * (out_tile_ + n) + lane_ / 4] = sum;
      }
    }
  }

  const FilterTask<Element>& task_;
  const Walk walk_;
  Ring ring_;  // its window starts one margin before the chunk
  const uint32_t memory_;
  const int lane_, in_tile_, out_tile_;
};

template <typename Element, int kChannels>
__global__ void __launch_bounds__(FilterLayout<kChannels>::kThreads)
    residual_block_filters_kernel(const __grid_constant__ FilterTask<Element> task) {
  FilterWorker<Element, kChannels>(task).run();
}

constexpr int kSumThreads = 256;

// to[i] = sum of the blocks' partials; the filters' sums come first, then the bias's.
template <typename Element>
__global__ void __launch_bounds__(kSumThreads)
    residual_block_sum_kernel(const float* __restrict__ partials,  // [blocks][filters + biases]
                              int blocks, int filters, int biases,
                              Element* __restrict__ filter_gradient,  // [filters]
                              Element* __restrict__ bias_gradient) {  // [biases]
  const int i = blockIdx.x * kSumThreads + threadIdx.x;
  if (i >= filters + biases) return;
  float sum = 0.0f;
#pragma unroll 16
  for (int b = 0; b < blocks; ++b) {
    sum += partials[static_cast<int64_t>(b) * (filters + biases) + i];
  }
  Element* to = i < filters ? filter_gradient + i : bias_gradient + (i - filters);
  *to = from_float<Element>(sum);
}

}  // namespace simgan::cuda
